package api_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/queue"
)

// foreign is another workspace, with what there is of it.
type foreign struct {
	workspace, key, definition, item string
}

// marks are what no answer to others may have.
func (f foreign) marks() []string {
	return []string{f.workspace, f.key, f.definition, f.item, "Foreign", "f0re1gn", "foreign-cohort"}
}

func (b *bundle) newForeign() foreign {
	b.t.Helper()
	w, d := b.newWorkspace("Foreign")
	_, err := b.office.SetWorkspace(b.t.Context(), w, admin.WorkspaceChange{
		ExternalKey: &admin.Change[string]{To: new("f0re1gn-key")}, Cohort: &admin.Change[string]{To: new("foreign-cohort")},
	}, "ann")
	require.NoError(b.t, err)
	item := queue.Item{WorkspaceID: w, DefinitionID: d, Input: json.RawMessage(`{"f0re1gn": "f0re1gn"}`), UniqueKey: "f0re1gn-1"}
	answer, err := b.queue.Enqueue(b.t.Context(), item)
	require.NoError(b.t, err)
	ended, err := b.queue.Enqueue(b.t.Context(), queue.Item{WorkspaceID: w, DefinitionID: d})
	require.NoError(b.t, err)
	_, err = b.queue.Cancel(b.t.Context(), ended.QueueID, "ann", "f0re1gn")
	require.NoError(b.t, err)
	return foreign{workspace: w.String(), key: "f0re1gn-key", definition: d.String(), item: answer.QueueID.String()}
}

// strangers are the same kind of names, of what there is not.
func strangers() foreign {
	return foreign{uuid.NewString(), "stranger-key", uuid.NewString(), uuid.NewString()}
}

// request is one that names what is another's, or nothing at all.
type request struct {
	query url.Values
	path  string
	body  any
}

// requests are those that try to reach another workspace by an operation: by its id and by its key, in each place where the document has one. A
// parameter or a body that is not known here fails the test: say how another workspace's would be named there.
func (f foreign) requests(t *testing.T, o operation) (all []request) {
	t.Helper()
	for _, workspace := range []string{f.workspace, f.key} {
		query, path := url.Values{}, o.path
		for _, p := range o.Parameters {
			var value string
			switch p.Name {
			case "workspace":
				value = workspace
			case "definition", "after":
				value = f.definition
			case "id", "before":
				value = f.item
			case "workflowId":
				value = "execution-" + f.item
			case "plan":
				value = "PRO"
			case "dryRun":
				value = "true"
			case "type", "status", "reason", "limit", "since", "wait", "grace", "Idempotency-Key": // they name nobody's
			default:
				t.Fatalf("%s: unknown parameter %s", o.OperationID, p.Name)
			}
			switch {
			case p.In == "path":
				path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
			case value != "" && p.In == "query":
				query.Set(p.Name, value)
				all = append(all, request{url.Values{p.Name: {value}}, "", nil}) // alone, too
			}
		}
		for i := range all {
			if all[i].path == "" {
				all[i].path = path
			}
		}
		if o.schema() == nil {
			all = append(all, request{query, path, nil}, request{nil, path, nil})
			continue
		}
		bodies, ok := f.bodies(workspace)[o.OperationID]
		require.True(t, ok, "%s: how would a request name what is another's?", o.OperationID)
		for _, body := range bodies {
			all = append(all, request{nil, path, body})
		}
	}
	return all
}

func (f foreign) bodies(workspace string) map[string][]any {
	type object = map[string]any
	graph := object{"name": "stolen", "nodes": []any{object{"name": "a", "type": "noop"}}}
	items := []any{
		object{"workspace": workspace, "definition": f.definition}, object{"definition": f.definition},
		object{"workspace": workspace, "workflow": object{"type": "Steal"}}, object{"workspace": workspace, "definition": f.definition, "uniqueKey": "f0re1gn-1"},
	}
	var many []any
	for _, item := range items {
		many = append(many, object{"items": []any{item}}, object{"items": []any{object{"workflow": object{"type": "Own"}}, item}})
	}
	selections := []any{object{"workspace": workspace}, object{"definition": f.definition}, object{"ids": []string{f.item}}, object{"ids": []string{f.item}, "workspace": workspace, "dryRun": true}}
	var moved []any
	for _, selection := range selections {
		with := maps.Clone(selection.(object))
		with["priority"] = 1
		moved = append(moved, with)
	}
	scopes := []any{object{"workspace": workspace}, object{"definition": f.definition}, object{"type": "Steal"}, object{}}
	return map[string][]any{
		"cancel-items": selections, "terminate-items": selections, "retry-items": selections, "replay-items": selections, "reprioritize-items": moved, "pause": scopes, "resume": scopes,
		"enqueue": items, "enqueue-many": many,
		"cancel-item": {object{}, object{"force": true}}, "apply-definition": {object{"workspace": workspace, "graph": graph}},
		"create-workspace": {object{"name": "mine"}, object{"name": "mine", "id": f.workspace}}, "set-workspace": {object{"maxConcurrentWorkflows": 0}, object{"maxConcurrentWorkflows": 0, "for": "1h"}},
		"set-plan": {object{"plan": "FREE"}}, "set-tier": {object{"maxConcurrentWorkflows": 0}}, "set-limits": {object{"maxConcurrentWorkflows": 0}},
		"simulate":           {object{}, object{"plans": []any{object{"plan": "PRO", "maxConcurrentWorkflows": 0}}}, object{"workspaces": []any{object{"workspace": workspace, "maxConcurrentWorkflows": 0}}}},
		"simulate-workspace": {object{}, object{"maxConcurrentWorkflows": 0}},
	}
}

// snapshot is all that a workspace's token must not change.
func (b *bundle) snapshot(workspace string) string {
	b.t.Helper()
	var all string
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(), `SELECT jsonb_build_object(
		'workspaces', (SELECT jsonb_agg(to_jsonb(w) ORDER BY w.id) FROM sluice.workspaces w),
		'definitions', (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.id) FROM sluice.workflow_definitions d WHERE d.workspace_id = $1),
		'items', (SELECT jsonb_agg(to_jsonb(i) ORDER BY i.id) FROM sluice.queue_items i WHERE i.workspace_id = $1),
		'keys', (SELECT jsonb_agg(to_jsonb(k) ORDER BY k.unique_key) FROM sluice.unique_keys k WHERE k.workspace_id = $1),
		'activity', (SELECT count(*) FROM sluice.activity a WHERE a.workspace_id = $1),
		'pauses', (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM sluice.pauses p), 'temporary', (SELECT jsonb_agg(to_jsonb(l)) FROM sluice.temporary_limits l),
		'tiers', (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.plan) FROM sluice.tiers t), 'settings', (SELECT to_jsonb(s) FROM sluice.settings s))::text`, workspace).Scan(&all))
	return all
}

func TestATokenOfAWorkspaceReachesNothingOfAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f, nobody := b.newForeign(), strangers()
	secret := b.token(admin.RoleWorkspace, b.workspace, true)
	before := b.snapshot(f.workspace)
	all, _ := b.operations()
	for _, o := range all {
		unknown := nobody.requests(t, o)
		for i, r := range f.requests(t, o) {
			got := b.send(secret, strings.ToUpper(o.method), target(r), r.body)
			named := names(f, r)
			if named && got.status != http.StatusForbidden { // what is another's is answered as what there is not
				like := b.send(secret, strings.ToUpper(o.method), target(unknown[i]), unknown[i].body)
				require.Equal(t, like.status, got.status, "%s %v", target(r), r.body)
				require.Equal(t, plain(nobody, like), plain(f, got))
			}
			if !named {
				require.Contains(t, []int{http.StatusOK, http.StatusForbidden}, got.status, "%s %s %v: %s", o.method, target(r), r.body, got.raw)
			}
			for _, mark := range f.marks() {
				require.NotContains(t, plain(f, got), mark, "%s %s", o.method, target(r))
			}
			require.Equal(t, before, b.snapshot(f.workspace), "%s %s %v", o.method, target(r), r.body)
		}
	}
}

func target(r request) string {
	if len(r.query) == 0 {
		return r.path
	}
	return r.path + "?" + r.query.Encode()
}

// names tells whether a request names what is another's. An item that is only where a page begins is a time.
func names(f foreign, r request) bool {
	sent, _ := json.Marshal(r.body)
	q := r.query.Get("workspace") + r.query.Get("definition") + r.query.Get("after")
	text := r.path + q + string(sent)
	return strings.Contains(text, f.workspace) || strings.Contains(text, f.key) || strings.Contains(text, f.definition) || strings.Contains(text, f.item)
}

var moment = regexp.MustCompile(`"asOf":"[^"]*"`)

// plain is an answer without the names that were sent, and without its moment.
func plain(f foreign, got reply) string {
	return moment.ReplaceAllString(strings.NewReplacer(f.workspace, "-", f.key, "-", f.definition, "-", f.item, "-").Replace(string(got.raw)), "")
}

func TestAnOperatorWhoReadsChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.newForeign()
	secret := b.token(admin.RoleOperatorRead, uuid.Nil, false)
	before := b.snapshot(f.workspace)
	all, _ := b.operations()
	for _, o := range all {
		if strings.EqualFold(o.method, http.MethodGet) {
			continue
		}
		for _, r := range f.requests(t, o) {
			got := b.send(secret, strings.ToUpper(o.method), target(r), r.body)
			if strings.HasPrefix(o.OperationID, "simulate") { // it only reads
				got.object(http.StatusOK)
				continue
			}
			got.problem(http.StatusForbidden, "forbidden")
		}
	}
	require.Equal(t, before, b.snapshot(f.workspace))
}

func TestEveryRouteWantsAToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.newForeign()
	b.token(admin.RoleOperatorRead, uuid.Nil, false)
	all, _ := b.operations()
	for _, o := range all {
		r := f.requests(t, o)[0]
		got := b.send("", strings.ToUpper(o.method), target(r), r.body)
		got.problem(http.StatusUnauthorized, "no-token")
		require.Equal(t, "Bearer", got.header.Get("WWW-Authenticate"))
		b.send("sluice_"+strings.Repeat("x", 43), strings.ToUpper(o.method), target(r), r.body).problem(http.StatusUnauthorized, "unknown-token")
	}
	b.send("", http.MethodGet, "/api/v1/nothing", nil).problem(http.StatusUnauthorized, "no-token")
}

// What a workspace's token is refused is what an operator is granted: the requests are such as the document asks for.
func TestAnOperatorReachesEveryRoute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.newForeign()
	secret := b.token(admin.RoleOperatorWrite, uuid.Nil, true)
	all, _ := b.operations()
	rank := func(o operation) int {
		return slices.Index([]string{"cancel-items", "delete-definition", "delete-workspace"}, o.OperationID)
	}
	slices.SortStableFunc(all, func(x, y operation) int { return cmp.Compare(rank(x), rank(y)) }) // what leaves nothing to the others comes last
	for _, o := range all {
		granted := false
		var last reply
		for _, r := range f.requests(t, o) {
			last = b.send(secret, strings.ToUpper(o.method), target(r), r.body)
			granted = granted || last.status < 300
		}
		require.True(t, granted, "%s: %s", o.OperationID, last.raw)
	}
}
