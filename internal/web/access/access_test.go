package access_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/admin"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/web/access"
	"sluice/schema"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

func database(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func request(t *testing.T, secret string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/api/v1/items", nil)
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	return r
}

// code is the word of a refusal; empty for none.
func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var refusal *access.Refusal
	require.ErrorAs(t, err, &refusal)
	return refusal.Code
}

func TestWithoutAnyTokenOnlyLoopbackIsLetIn(t *testing.T) {
	t.Parallel()
	pool := database(t)
	office := admin.New(pool)
	loopback, open := access.New(access.Config{DB: pool, Loopback: true}), access.New(access.Config{DB: pool})
	who, err := loopback.Caller(t.Context(), request(t, ""))
	require.NoError(t, err)
	require.Equal(t, access.Caller{Actor: "api", Operator: true, Writes: true, Payloads: true}, who)
	_, err = open.Caller(t.Context(), request(t, ""))
	require.Equal(t, "no-tokens", code(t, err))
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"} {
		r := request(t, "")
		r.Header.Set(header, "")
		_, err = loopback.Caller(t.Context(), r)
		require.Equal(t, "no-tokens", code(t, err), header)
		require.ErrorContains(t, err, "starter token create", "it says what is needed behind a proxy")
	}

	created, secret, err := office.CreateToken(t.Context(), admin.NewToken{Name: "first", Role: admin.RoleOperatorRead}, "ann")
	require.NoError(t, err)
	forwarded := request(t, secret)
	forwarded.Header.Set("X-Forwarded-For", "192.0.2.1")
	_, err = loopback.Caller(t.Context(), forwarded)
	require.NoError(t, err, "with a token a proxy may forward")
	for _, g := range []*access.Guard{loopback, open} {
		require.Eventually(t, func() bool {
			_, err := g.Caller(t.Context(), request(t, ""))
			return code(t, err) == "no-token"
		}, 30*time.Second, 20*time.Millisecond)
	}
	_, err = office.RevokeToken(t.Context(), created.ID, "ann")
	require.NoError(t, err)
	_, err = access.New(access.Config{DB: pool, Loopback: true}).Caller(t.Context(), request(t, ""))
	require.Equal(t, "no-token", code(t, err), "the last token that goes opens nothing")
}

func TestWhatATokenComesTo(t *testing.T) {
	t.Parallel()
	pool := database(t)
	office := admin.New(pool)
	w, err := office.CreateWorkspace(t.Context(), "acme", "PRO", "ann")
	require.NoError(t, err)
	g := access.New(access.Config{DB: pool, Loopback: true})
	for role, want := range map[string]access.Caller{
		admin.RoleOperatorRead:  {Operator: true},
		admin.RoleOperatorWrite: {Operator: true, Writes: true},
		admin.RoleWorkspace:     {Writes: true, Workspace: w.ID},
	} {
		created, secret, err := office.CreateToken(t.Context(), admin.NewToken{Name: role, Role: role, WorkspaceID: want.Workspace, Payloads: want.Writes}, "ann")
		require.NoError(t, err)
		want.Actor, want.Token, want.Payloads = "api:"+role, created.ID, want.Writes
		for range 2 {
			who, err := g.Caller(t.Context(), request(t, secret))
			require.NoError(t, err)
			require.Equal(t, want, who)
		}
		require.Equal(t, role != admin.RoleWorkspace, want.Sees(uuid.New()))
		require.True(t, want.Sees(w.ID))

		_, err = office.RevokeToken(t.Context(), created.ID, "ann")
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := g.Caller(t.Context(), request(t, secret))
			return code(t, err) == "unknown-token"
		}, 30*time.Second, 20*time.Millisecond)
	}
	list, err := office.Tokens(t.Context())
	require.NoError(t, err)
	require.NotNil(t, list[0].LastUsedAt)
	require.False(t, access.Caller{}.Sees(uuid.Nil))
	for _, credentials := range []string{"Bearer", "Bearer x", "Basic YTpi", "bearer sluice_", "sluice_" + "x"} {
		r := request(t, "")
		r.Header.Set("Authorization", credentials)
		_, err := g.Caller(t.Context(), r)
		require.Equal(t, "unknown-token", code(t, err), credentials)
	}
}

func TestATokenIsNotTakenBeyondItsExpiry(t *testing.T) {
	t.Parallel()
	pool := database(t)
	expires := time.Now().Add(4 * time.Second) // the guard looks again what it remembers after three
	_, secret, err := admin.New(pool).CreateToken(t.Context(), admin.NewToken{Name: "short", Role: admin.RoleOperatorRead, ExpiresAt: expires}, "ann")
	require.NoError(t, err)
	g := access.New(access.Config{DB: pool, Loopback: true})
	_, err = g.Caller(t.Context(), request(t, secret))
	require.NoError(t, err)
	for refused := false; !refused; time.Sleep(10 * time.Millisecond) {
		asked := time.Now()
		_, err := g.Caller(t.Context(), request(t, secret))
		refused = code(t, err) == "unknown-token"
		require.True(t, refused || asked.Before(expires.Add(100*time.Millisecond)), "what is remembered ends with it")
	}
}

func TestAPageOfAnotherOriginIsRefused(t *testing.T) {
	t.Parallel()
	g := access.New(access.Config{Loopback: true, Hosts: []string{"sluice.example.com", "10.1.2.3"}})
	for name, c := range map[string]struct {
		method, host, origin, site, mode, dest, code string
	}{
		"a program":                 {host: "127.0.0.1:8077"},
		"by name":                   {host: "localhost:8077"},
		"IPv6":                      {host: "[::1]:8077"},
		"mapped":                    {host: "[::ffff:127.0.0.1]:8077"},
		"a configured name":         {host: "Sluice.Example.com.:443"},
		"a configured address":      {host: "10.1.2.3"},
		"its own page":              {host: "localhost:8077", origin: "http://localhost:8077", site: "same-origin", method: "POST"},
		"its own page behind TLS":   {host: "sluice.example.com", origin: "https://sluice.example.com", method: "POST"},
		"a name that was rebound":   {host: "evil.example:8077", code: "host"},
		"a name like a loopback":    {host: "127.0.0.1.evil.example", code: "host"},
		"a name below localhost":    {host: "localhost.evil.example", code: "host"},
		"another address":           {host: "10.1.2.4", code: "host"},
		"no host":                   {code: "host"},
		"another page":              {host: "localhost:8077", origin: "https://evil.example", code: "origin"},
		"another port":              {host: "localhost:8077", origin: "http://localhost:3000", method: "POST", code: "origin"},
		"a page without an origin":  {host: "localhost:8077", origin: "null", method: "POST", code: "origin"},
		"a form of another site":    {host: "localhost:8077", site: "cross-site", method: "POST", code: "origin"},
		"a link from another site":  {host: "localhost:8077", site: "cross-site", mode: "navigate", dest: "document"},
		"a link from another port":  {host: "localhost:8077", site: "same-site", mode: "navigate", dest: "document"},
		"its own picture":           {host: "localhost:8077", site: "same-origin", mode: "no-cors", dest: "image"},
		"an address that is typed":  {host: "localhost:8077", site: "none", mode: "navigate", dest: "document"},
		"another site's picture":    {host: "localhost:8077", site: "cross-site", mode: "no-cors", dest: "image", code: "origin"},
		"another site's frame":      {host: "localhost:8077", site: "cross-site", mode: "navigate", dest: "iframe", code: "origin"},
		"another port's script":     {host: "localhost:8077", site: "same-site", mode: "no-cors", dest: "script", code: "origin"},
		"a preflight":               {host: "localhost:8077", origin: "https://evil.example", method: "OPTIONS", code: "origin"},
		"a rebound page of its own": {host: "evil.example:8077", origin: "http://evil.example:8077", code: "host"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/api/v1/items", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		for header, value := range map[string]string{"Sec-Fetch-Site": c.site, "Sec-Fetch-Mode": c.mode, "Sec-Fetch-Dest": c.dest} {
			if value != "" {
				r.Header.Set(header, value)
			}
		}
		require.Equal(t, c.code, code(t, g.CheckOrigin(r)), name)
	}
}
