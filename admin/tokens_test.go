package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/store/tokens"
)

func TestATokenIsStoredAsItsHashAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	created, secret, err := b.office.CreateToken(t.Context(), admin.NewToken{Name: "ci", Role: admin.RoleOperatorWrite, Payloads: true}, "ann")
	require.NoError(t, err)
	require.Regexp(t, `^sluice_[A-Za-z0-9_-]{43}$`, secret)
	row := one[string](t, b.pool, `SELECT row_to_json(t)::text FROM sluice.api_tokens t`)
	require.NotContains(t, row, strings.TrimPrefix(secret, "sluice_"))

	found, err := tokens.Find(t.Context(), b.pool, tokens.HashOf(secret))
	require.NoError(t, err)
	require.Equal(t, &tokens.Found{ID: created.ID, Name: "ci", Role: admin.RoleOperatorWrite, SeesPayloads: true}, found)
	other, err := tokens.Find(t.Context(), b.pool, tokens.HashOf(secret+"x"))
	require.NoError(t, err)
	require.Nil(t, other)

	_, second, err := b.office.CreateToken(t.Context(), admin.NewToken{Name: "ci", Role: admin.RoleOperatorWrite}, "ann")
	require.NoError(t, err)
	require.NotEqual(t, secret, second)
	require.Equal(t, []string{"ann token-created ci", "ann token-created ci"},
		list[string](t, b.pool, `SELECT actor || ' ' || action || ' ' || (details ->> 'name') FROM sluice.activity WHERE action LIKE 'token-%'`))
}

func TestATokenThatIsRevokedOrOverOrOfADeletedWorkspaceIsGoodForNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	create := func(n admin.NewToken) (admin.Token, string) {
		created, secret, err := b.office.CreateToken(t.Context(), n, "ann")
		require.NoError(t, err)
		return created, secret
	}
	revoked, revokedSecret := create(admin.NewToken{Name: "revoked", Role: admin.RoleOperatorRead})
	_, overSecret := create(admin.NewToken{Name: "over", Role: admin.RoleOperatorRead, ExpiresAt: time.Now().Add(time.Hour)})
	own, ownSecret := create(admin.NewToken{Name: "own", Role: admin.RoleWorkspace, WorkspaceID: b.workspace})
	secrets := []string{revokedSecret, overSecret, ownSecret}
	for _, secret := range secrets {
		found, err := tokens.Find(t.Context(), b.pool, tokens.HashOf(secret))
		require.NoError(t, err)
		require.NotNil(t, found)
	}

	first, err := b.office.RevokeToken(t.Context(), revoked.ID, "bob")
	require.NoError(t, err)
	require.Equal(t, "bob", *first.RevokedBy)
	again, err := b.office.RevokeToken(t.Context(), revoked.ID, "eve")
	require.NoError(t, err)
	require.Equal(t, first, again, "what is on record stays")
	b.exec(t, `UPDATE sluice.api_tokens SET expires_at = now() - interval '1 s' WHERE name = 'over'`)
	_, err = b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.NoError(t, err)
	for _, secret := range secrets {
		found, err := tokens.Find(t.Context(), b.pool, tokens.HashOf(secret))
		require.NoError(t, err)
		require.Nil(t, found)
	}

	list, err := b.office.Tokens(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, own.ID, list[0].ID)
	require.Nil(t, list[0].WorkspaceID)
	any, err := tokens.Any(t.Context(), b.pool)
	require.NoError(t, err)
	require.True(t, any, "an API that wanted tokens goes on wanting them")
}

func TestATokenThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, n := range map[string]admin.NewToken{
		"needs a name":        {Role: admin.RoleOperatorRead},
		"too long":            {Name: strings.Repeat("x", 101), Role: admin.RoleOperatorRead},
		"unknown role":        {Name: "x", Role: "root"},
		"without a workspace": {Name: "x", Role: admin.RoleWorkspace},
		"with a workspace":    {Name: "x", Role: admin.RoleOperatorRead, WorkspaceID: b.workspace},
		"is over already":     {Name: "x", Role: admin.RoleOperatorRead, ExpiresAt: time.Now().Add(-time.Second)},
	} {
		_, secret, err := b.office.CreateToken(t.Context(), n, "ann")
		require.ErrorIs(t, err, admin.ErrInvalid, name)
		require.Empty(t, secret)
	}
	_, _, err := b.office.CreateToken(t.Context(), admin.NewToken{Name: "x", Role: admin.RoleWorkspace, WorkspaceID: uuid.New()}, "ann")
	require.ErrorIs(t, err, admin.ErrUnknownWorkspace)
	_, err = b.office.RevokeToken(t.Context(), uuid.New(), "ann")
	require.ErrorIs(t, err, admin.ErrInvalid)
}
