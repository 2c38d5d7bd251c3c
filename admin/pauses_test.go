package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

func TestAPauseTakesTheTurnOfWhomItIsAbout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE sluice.settings SET shards = 3`)
	shard := one[string](t, b.pool, `SELECT sluice.shard_of($1, NULL, 3)::text`, b.workspace)
	all := []string{"0 pauses", "1 pauses", "2 pauses"}
	for _, test := range []struct {
		scope admin.Scope
		turns []string
	}{
		{admin.Scope{}, all}, {admin.Scope{WorkflowType: "Ship"}, all},
		{admin.Scope{WorkspaceID: b.workspace}, []string{shard + " pauses"}},
		{admin.Scope{WorkspaceID: b.workspace, WorkflowType: "Ship"}, []string{shard + " pauses"}},
		{admin.Scope{WorkspaceID: b.workspace, DefinitionID: b.definition}, []string{shard + " pauses"}},
	} {
		since := b.newest(t)
		changed, err := b.office.Pause(t.Context(), test.scope, admin.Term{}, "ann", "deploy")
		require.NoError(t, err)
		require.True(t, changed)
		require.ElementsMatch(t, test.turns, b.since(t, since))
		since = b.newest(t)
		changed, err = b.office.Pause(t.Context(), test.scope, admin.Term{}, "bob", "deploy")
		require.NoError(t, err)
		require.False(t, changed, "it is paused so")
		require.Empty(t, b.since(t, since))
		held, err := b.office.Resume(t.Context(), test.scope, "bob", "done")
		require.NoError(t, err)
		require.True(t, held)
		require.ElementsMatch(t, test.turns, b.since(t, since))
		since = b.newest(t)
		held, err = b.office.Resume(t.Context(), test.scope, "bob", "done")
		require.NoError(t, err)
		require.False(t, held)
		require.Empty(t, b.since(t, since))
	}
}

// newest are the newest turns of the shards, and since what has been taken after them, as "shard kind".
func (b *bundle) newest(t *testing.T) map[int]int64 {
	t.Helper()
	newest := map[int]int64{}
	for shard := range 3 {
		newest[shard] = one[int64](t, b.pool, `SELECT max(turn) FROM sluice.turns WHERE shard = $1`, shard)
	}
	return newest
}

func (b *bundle) since(t *testing.T, newest map[int]int64) (kinds []string) {
	t.Helper()
	for shard, turn := range newest {
		kinds = append(kinds, list[string](t, b.pool, `SELECT shard || ' ' || kind FROM sluice.turns WHERE shard = $1 AND turn > $2`, shard, turn)...)
	}
	return kinds
}

func TestAPauseIsOnRecordWithWhoAndWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	scope := admin.Scope{WorkspaceID: b.workspace, WorkflowType: "Ship"}
	_, err := b.office.Pause(t.Context(), scope, admin.Term{}, "ann", "deploy")
	require.NoError(t, err)
	before, err := b.office.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, before, 1)
	require.Equal(t, admin.Pause{WorkspaceID: &b.workspace, WorkspaceName: new("acme"), WorkflowType: new("Ship"), Actor: "ann", Reason: "deploy", Since: before[0].Since}, before[0])
	require.WithinDuration(t, time.Now(), before[0].Since, time.Minute)

	_, err = b.office.Pause(t.Context(), scope, admin.Term{For: time.Hour}, "bob", "longer")
	require.NoError(t, err)
	after, err := b.office.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, after, 1)
	require.Equal(t, before[0].Since, after[0].Since, "it has been paused since")
	require.Equal(t, "bob", after[0].Actor)
	require.WithinDuration(t, time.Now().Add(time.Hour), *after[0].Until, time.Minute)
	_, err = b.office.Resume(t.Context(), scope, "cid", "done")
	require.NoError(t, err)
	require.Equal(t, []string{"ann paused deploy Ship", "bob paused longer Ship", "cid resumed done Ship"}, list[string](t, b.pool,
		`SELECT concat_ws(' ', actor, action, details ->> 'reason', details ->> 'workflowType') FROM sluice.activity WHERE workspace_id = $1 AND action IN ('paused', 'resumed') ORDER BY at`, b.workspace))
}

// Its end is on record from the beginning, and what is left of it is nothing that anybody has to be told.
func TestAPauseThatIsOverIsForgottenQuietly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.office.Pause(t.Context(), admin.Scope{}, admin.Term{For: time.Millisecond}, "ann", "")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		list, err := b.office.Pauses(t.Context())
		require.NoError(t, err)
		return len(list) == 0
	}, 30*time.Second, time.Millisecond)
	since := b.newest(t)
	held, err := b.office.Resume(t.Context(), admin.Scope{}, "ann", "")
	require.NoError(t, err)
	require.False(t, held)
	require.Empty(t, b.since(t, since))

	_, err = b.office.Pause(t.Context(), admin.Scope{}, admin.Term{For: time.Millisecond}, "ann", "")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return one[bool](t, b.pool, `SELECT clock_timestamp() > until FROM sluice.pauses`) }, 30*time.Second, time.Millisecond)
	_, err = b.office.Pause(t.Context(), admin.Scope{WorkspaceID: b.workspace}, admin.Term{}, "ann", "")
	require.NoError(t, err)
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.pauses`))
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'resumed'`))
}

func TestAPauseOfWhatThereIsNotIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, _ := b.newWorkspace(t, "globex", "FREE")
	for want, test := range map[error][]admin.Scope{
		admin.ErrUnknownWorkspace:  {{WorkspaceID: uuid.New()}, {WorkspaceID: uuid.New(), WorkflowType: "Ship"}},
		admin.ErrUnknownDefinition: {{DefinitionID: uuid.New()}}, admin.ErrForeignDefinition: {{WorkspaceID: other, DefinitionID: b.definition}},
		admin.ErrInvalid: {{WorkflowType: "Ship", DefinitionID: b.definition}, {WorkflowType: strings.Repeat("x", 1001)}},
	} {
		for _, scope := range test {
			_, err := b.office.Pause(t.Context(), scope, admin.Term{}, "ann", "")
			require.ErrorIs(t, err, want)
		}
	}
	for _, term := range []admin.Term{{For: -1}, {For: time.Hour, Until: time.Now().Add(time.Hour)}, {Until: time.Now().Add(-time.Hour)}, {Until: time.Now().AddDate(20, 0, 0)}} {
		_, err := b.office.Pause(t.Context(), admin.Scope{}, term, "ann", "")
		require.ErrorIs(t, err, admin.ErrInvalid)
	}
	for _, hidden := range []string{"\u202egnp", "\x1b[2J", "a\u200bb"} {
		_, err := b.office.Pause(t.Context(), admin.Scope{WorkflowType: hidden}, admin.Term{}, "ann", "")
		require.ErrorIs(t, err, admin.ErrInvalid)
		require.ErrorContains(t, err, "workflow type must not contain U+")
		_, err = b.office.Pause(t.Context(), admin.Scope{}, admin.Term{}, "ann", hidden)
		require.ErrorContains(t, err, "reason must not contain U+")
		_, err = b.office.Resume(t.Context(), admin.Scope{WorkflowType: hidden}, "ann", "")
		require.NoError(t, err, "what is paused by such a type can be resumed")
	}
	_, err := b.office.Pause(t.Context(), admin.Scope{}, admin.Term{}, "ann", strings.Repeat("x", 1001))
	require.ErrorIs(t, err, admin.ErrInvalid)
}

func TestWhatIsPausedOfAWorkspaceGoesWithIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, scope := range []admin.Scope{{WorkspaceID: b.workspace}, {WorkspaceID: b.workspace, WorkflowType: "Ship"}, {DefinitionID: b.definition}} {
		_, err := b.office.Pause(t.Context(), scope, admin.Term{}, "ann", "")
		require.NoError(t, err)
	}
	_, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.NoError(t, err)
	require.Empty(t, b.traces(t, b.workspace))
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.pauses`))
}
