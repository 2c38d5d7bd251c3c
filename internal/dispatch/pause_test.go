package dispatch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/admission"
)

func (w *world) pause(s admin.Scope, t admin.Term) {
	w.t.Helper()
	changed, err := admin.New(w.app).Pause(w.t.Context(), s, t, "ann", "deploy")
	require.NoError(w.t, err)
	require.True(w.t, changed)
}

func (w *world) resume(s admin.Scope) {
	w.t.Helper()
	held, err := admin.New(w.app).Resume(w.t.Context(), s, "ann", "")
	require.NoError(w.t, err)
	require.True(w.t, held)
}

// enqueueWorkflow enqueues a workflow of a type for a workspace.
func (w *world) enqueueWorkflow(workspace uuid.UUID, kind string) uuid.UUID {
	w.t.Helper()
	return one[uuid.UUID](w, `SELECT (sluice.enqueue_workflow($1, $2) ->> 'queueId')::uuid`, workspace, kind)
}

// lanes are two workspaces, and one item of each of the lanes of either: two definitions and two types.
type lanes struct {
	*world
	other  uuid.UUID
	second uuid.UUID // definition of the first workspace
	items  map[string]uuid.UUID
	before map[uuid.UUID]bool // what was claimed before
}

func newLanes(t *testing.T) *lanes {
	l := &lanes{world: setup(t), items: map[string]uuid.UUID{}, before: map[uuid.UUID]bool{}}
	l.second = one[uuid.UUID](l.world, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'bill') RETURNING id`, l.workspace)
	l.exec(`INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 1, '{"nodes": []}')`, l.second)
	var definition uuid.UUID
	l.other, definition = l.newWorkspace("STARTER")
	l.items["greet"], l.items["bill"] = l.enqueue(), l.enqueueFor(l.workspace, l.second, 3)
	l.items["Ship"], l.items["Pay"] = l.enqueueWorkflow(l.workspace, "Ship"), l.enqueueWorkflow(l.workspace, "Pay")
	l.items["other greet"], l.items["other Ship"] = l.enqueueFor(l.other, definition, 3), l.enqueueWorkflow(l.other, "Ship")
	return l
}

// claims are the names of what a process claims in a cycle, empty for an item without one.
func (l *lanes) claims(p *process, batch int) (names []string) {
	l.t.Helper()
	p.cycle(batch)
	rows, err := l.app.Query(l.t.Context(), `SELECT id FROM sluice.running`)
	require.NoError(l.t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(l.t, err)
	for _, id := range ids {
		if !l.before[id] {
			l.before[id] = true
			names = append(names, "")
			for name, item := range l.items {
				if item == id {
					names[len(names)-1] = name
				}
			}
		}
	}
	return names
}

func TestNothingIsClaimedOfWhatIsPausedAndAllElseIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		scope func(l *lanes) admin.Scope
		not   []string
	}{
		"everything":                   {func(*lanes) admin.Scope { return admin.Scope{} }, []string{"greet", "bill", "Ship", "Pay", "other greet", "other Ship"}},
		"a workspace":                  {func(l *lanes) admin.Scope { return admin.Scope{WorkspaceID: l.workspace} }, []string{"greet", "bill", "Ship", "Pay"}},
		"a definition":                 {func(l *lanes) admin.Scope { return admin.Scope{DefinitionID: l.second} }, []string{"bill"}},
		"a type in a workspace":        {func(l *lanes) admin.Scope { return admin.Scope{WorkspaceID: l.workspace, WorkflowType: "Ship"} }, []string{"Ship"}},
		"a type in all workspaces":     {func(*lanes) admin.Scope { return admin.Scope{WorkflowType: "Ship"} }, []string{"Ship", "other Ship"}},
		"a type that nothing waits of": {func(*lanes) admin.Scope { return admin.Scope{WorkflowType: "None"} }, nil},
	} {
		for when, begin := range map[string]func(l *lanes){
			"before anything is known": func(*lanes) {},
			"while all is planned":     func(l *lanes) { require.Equal(t, 6, l.plan(100).Items) },
		} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				l := newLanes(t)
				begin(l)
				l.pause(c.scope(l), admin.Term{})
				require.Zero(t, l.claim().New, "a claim that was planned before a pause commits after it")
				got := l.claims(l.process, 100)
				require.Len(t, got, 6-len(c.not))
				for _, name := range c.not {
					require.NotContains(t, got, name)
				}
				require.Empty(t, l.claims(l.process, 100))
				l.resume(c.scope(l))
				require.ElementsMatch(t, c.not, l.claims(l.process, 100))
			})
		}
	}
}

func TestItemsOfAPausedLaneHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	l := newLanes(t)
	for range 30 { // before all others, and more than a batch
		l.exec(`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, created_at, available_at, enqueued_by, input)
			SELECT sluice.uuid_v7(), $1, $2, p, now(), now() - interval '1 hour', 'x', '{}' FROM generate_series(1, 3) AS p`, l.workspace, l.second)
	}
	l.pause(admin.Scope{DefinitionID: l.second}, admin.Term{})
	l.pause(admin.Scope{WorkspaceID: l.workspace, WorkflowType: "Ship"}, admin.Term{})
	require.ElementsMatch(t, []string{"greet", "Pay", "other greet", "other Ship"}, l.claims(l.process, 6))
	l.items["late"], l.items["late Pay"] = l.enqueue(), l.enqueueWorkflow(l.workspace, "Pay")
	l.items["late bill"], l.items["late Ship"] = l.enqueueFor(l.workspace, l.second, 1), l.enqueueWorkflow(l.workspace, "Ship")
	require.ElementsMatch(t, []string{"late", "late Pay"}, l.claims(l.process, 6), "what arrives is claimed too")
	require.Empty(t, l.claims(l.process, 6))

	l.resume(admin.Scope{DefinitionID: l.second})
	require.Len(t, l.claims(l.process, 6), 1, "the fifth slot")
	require.Equal(t, l.second, one[uuid.UUID](l.world, `SELECT workflow_definition_id FROM sluice.running ORDER BY claimed_at DESC LIMIT 1`))
}

func TestAnotherProcessKnowsWhatIsPaused(t *testing.T) {
	t.Parallel()
	l := newLanes(t)
	l.pause(admin.Scope{WorkflowType: "Ship"}, admin.Term{})
	l.pause(admin.Scope{DefinitionID: l.second}, admin.Term{})
	other := l.newProcess()
	require.ElementsMatch(t, []string{"greet", "Pay", "other greet"}, l.claims(other, 100))
}

func TestAPausedWorkspaceSaysSo(t *testing.T) {
	t.Parallel()
	l := newLanes(t)
	l.pause(admin.Scope{WorkspaceID: l.workspace}, admin.Term{})
	require.Equal(t, 1, l.plan(100).Waiting[admission.Paused])
}

func TestAPauseEndsByItselfWithoutAWrite(t *testing.T) {
	t.Parallel()
	for name, scope := range map[string]func(l *lanes) admin.Scope{
		"everything":   func(*lanes) admin.Scope { return admin.Scope{} },
		"a workspace":  func(l *lanes) admin.Scope { return admin.Scope{WorkspaceID: l.workspace} },
		"a type":       func(*lanes) admin.Scope { return admin.Scope{WorkflowType: "Ship"} },
		"a definition": func(l *lanes) admin.Scope { return admin.Scope{DefinitionID: l.second} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLanes(t)
			l.pause(scope(l), admin.Term{For: aWhile})
			got := l.claims(l.process, 100)
			require.Less(t, len(got), 6)
			in := l.plan(100).DueIn
			require.Positive(t, in)
			require.LessOrEqual(t, in, aWhile, "it is asked again when the pause ends")
			changes := one[int](l.world, `SELECT count(*) FROM sluice.turns WHERE kind = 'pauses'`)
			require.Eventually(t, func() bool { got = append(got, l.claims(l.process, 100)...); return len(got) == 6 }, patience, 5*time.Millisecond)
			require.Equal(t, changes, one[int](l.world, `SELECT count(*) FROM sluice.turns WHERE kind = 'pauses'`))
			require.Zero(t, one[int](l.world, `SELECT count(*) FROM sluice.running r CROSS JOIN sluice.pauses p
				WHERE r.claimed_at < p.until AND (r.workflow_definition_id = p.workflow_definition_id OR r.workflow_type = p.workflow_type OR p.workflow_type IS NULL AND p.workflow_definition_id IS NULL AND r.workspace_id = p.workspace_id)`))
		})
	}
}

// An item that somebody held while it was to be claimed is tried again later: not when its lane has been paused meanwhile.
func TestWhatCouldNotBeClaimedDoesNotComeBackIntoAPausedLane(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"bill", "Ship"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLanes(t)
			scope := admin.Scope{DefinitionID: l.second}
			if name == "Ship" {
				scope = admin.Scope{WorkflowType: "Ship", WorkspaceID: l.workspace}
			}
			tx, err := l.app.Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), `SELECT FROM sluice.pending WHERE id = $1 FOR UPDATE`, l.items[name])
			require.NoError(t, err)
			require.Len(t, l.claims(l.process, 100), 5)
			l.pause(scope, admin.Term{})
			require.NoError(t, tx.Rollback(t.Context()))
			for began := time.Now(); time.Since(began) < 500*time.Millisecond; {
				require.Empty(t, l.claims(l.process, 100))
			}
			l.resume(scope)
			require.Equal(t, []string{name}, l.claims(l.process, 100))
		})
	}
}
