package schema_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestEnqueueWorkflowWithEachArgument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	answer := one[map[string]string](t, b.db, `SELECT sluice.enqueue_workflow(workspace_id => $1, workflow_type => 'Bill', task_queue => 'bills', args => '[{"order": 7}, 42, null]',
		workflow_id => 'bill-7', options => '{"runTimeout": "1h30m", "memo": {"a": 1}, "onConflict": "wait"}', priority => 1, available_at => $2, unique_key => 'order-7',
		expires_at => $3, enqueued_by => 'ann', trigger_type => 'WEBHOOK', unique_for => '2 days')`, b.workspace, due, due.Add(time.Hour))
	require.Equal(t, "QUEUED", answer["status"])
	require.Equal(t, "bill-7", answer["workflowId"])
	require.Len(t, answer, 4)
	require.Equal(t, answer["queueId"]+" Bill bills bill-7 1 order-7 ann WEBHOOK t t", one[string](t, b.db, `
		SELECT concat_ws(' ', id, workflow_type, task_queue, workflow_id, priority, unique_key, enqueued_by, trigger_type, available_at = $1, expires_at = $2, workflow_definition_id, request)
		FROM sluice.pending`, due, due.Add(time.Hour)))
	require.JSONEq(t, `{"args": [{"order": 7}, 42, null], "options": {"runTimeout": "1h30m", "memo": {"a": 1}, "onConflict": "wait"}}`, one[string](t, b.db, `SELECT input::text FROM sluice.pending`))
	require.Equal(t, `[{"order": 7}, 42, null] bill-7`, one[string](t, b.db, `SELECT concat_ws(' ', input, engine_workflow_id) FROM sluice.queue_items`))

	again := one[map[string]string](t, b.db, `SELECT sluice.enqueue_workflow($1, 'Other', unique_key => 'order-7')`, b.workspace)
	require.Equal(t, map[string]string{"queueId": answer["queueId"], "status": "QUEUED", "workflowId": "bill-7",
		"message": "Already enqueued under this unique key; this is the first item."}, again)
}

func TestEnqueueWorkflowDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answer := one[map[string]string](t, b.db, `SELECT sluice.enqueue_workflow($1, 'Bill')`, b.workspace)
	require.Equal(t, "execution-"+answer["queueId"], answer["workflowId"])
	exec(t, b.db, `SELECT sluice.enqueue_workflow($1, 'Bill', '', NULL, '', NULL, NULL, '-infinity', 'infinity')`, b.workspace)
	want := "Bill workflow.workspace." + b.workspace.String() + ` {"args": [], "options": {}} 3`
	require.Equal(t, []string{want, want}, list[string](t, b.db, `SELECT concat_ws(' ', workflow_type, task_queue, workflow_id, input, priority, expires_at) FROM sluice.pending`))
	exec(t, b.db, `UPDATE sluice.settings SET task_queue = 'tenants.{workspace}'`)
	exec(t, b.db, `SELECT sluice.enqueue_workflow($1, 'Templated')`, b.workspace)
	require.Equal(t, "tenants."+b.workspace.String(), one[string](t, b.db, `SELECT task_queue FROM sluice.pending WHERE workflow_type = 'Templated'`))
}

// An operator may give task queues another form; package definition tells the same of nodes.
func TestATaskQueueOfAnotherWorkspaceIsRefusedWhateverItsForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	globex := one[uuid.UUID](t, b.db, `INSERT INTO sluice.workspaces (name) VALUES ('globex') RETURNING id`)
	exec(t, b.db, `UPDATE sluice.settings SET task_queue = 'tenant-{workspace}/x'`)
	for _, queue := range []string{"tenant-" + globex.String() + "/x", "TENANT-" + strings.ToUpper(globex.String()) + "/x", "workflow.workspace." + globex.String()} {
		err := requireRefused(t, b.db, "SL013", `SELECT sluice.enqueue_workflow($1, 'T', $2)`, b.workspace, queue)
		require.Contains(t, err.Message, "is not that of workspace "+b.workspace.String())
	}
	for _, queue := range []any{nil, "tenant-" + b.workspace.String() + "/x", "tenant-" + globex.String(), "tenant-" + strings.Repeat("z", 36) + "/x", "invoices"} {
		exec(t, b.db, `SELECT sluice.enqueue_workflow($1, 'T', $2)`, b.workspace, queue)
	}
	exec(t, b.db, `UPDATE sluice.settings SET task_queue = 'shared'`)
	exec(t, b.db, `SELECT sluice.enqueue_workflow($1, 'T', $2)`, b.workspace, "tenant-"+globex.String()+"/x")
}

func TestEnqueueWorkflowRefusesWithAStateOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	globex := one[uuid.UUID](t, b.db, `INSERT INTO sluice.workspaces (name) VALUES ('globex') RETURNING id`)
	unknown, name := uuid.NewString(), strings.Repeat("x", 1001)
	for arguments, want := range map[string]struct{ code, message, hint string }{
		`'T', 'q', '{"a": 1}'`:   {"SL004", "args must be a JSON array with one element for each argument, not object", "[argument]"},
		`'T', 'q', '7'`:          {"SL004", "not number", ""},
		`'T', 'q', 'null'`:       {"SL004", "not null", ""},
		`'T', 'q', '"[]"'`:       {"SL004", "not string", ""},
		`'T', 'q', '["\u0000"]'`: {"22P05", "unsupported Unicode escape sequence", ""},
		`'T', 'q', '[1'`:         {"22P02", "invalid input syntax for type json", ""},
		`'T', 'q', ('[' || repeat('[', 600) || repeat(']', 600) || ']')::jsonb`: {"SL004", "nested deeper than 500 levels", "flatten"},
		`'T', 'q', ('[1e99999, 1e99999, 1e99999]')::jsonb`:                      {"SL004", "args and options have 300", "reference"},
		`'T', 'q', jsonb_build_array(repeat('x', 262144))`:                      {"SL004", "at most 262144 (256 KiB) are allowed", "reference"},

		`NULL`:                              {"SL013", "workflow_type is missing", "your worker"},
		`''`:                                {"SL013", "workflow_type must have 1 to 1000 bytes, not 0", ""},
		`'` + name + `'`:                    {"SL013", "workflow_type must have 1 to 1000 bytes, not 1001", ""},
		`repeat('ä', 501)`:                  {"SL013", "not 1002", ""},
		`' T'`:                              {"SL013", "without blanks around them", ""},
		`E'T\n'`:                            {"SL013", "characters that can be seen", ""},
		`U&'T\202E'`:                        {"SL013", "characters that can be seen", ""},
		`E'a\x1b[2J'`:                       {"SL013", "characters that can be seen", ""},
		`'Dispatcher'`:                      {"SL013", "is a type of Sluice itself", "sluice.enqueue"},
		`'eXecution'`:                       {"SL013", "is a type of Sluice itself", ""},
		`'RECOVERY'`:                        {"SL013", "is a type of Sluice itself", ""},
		`'temporal-sys-scheduler-workflow'`: {"SL013", "reserved by Temporal", ""},
		`'T', '` + name + `'`:               {"SL013", "task_queue must have 1 to 1000 bytes", ""},
		`'T', 'workflows.default'`:          {"SL013", "is Sluice's own", ""},
		`'T', 'Activities.External-API'`:    {"SL013", "is Sluice's own", ""},
		`'T', '/_sys/x'`:                    {"SL013", "reserved by Temporal", ""},
		`'T', 'Temporal-SYS-per-ns-tq'`:     {"SL013", "reserved by Temporal", ""},
		`'T', 'workflow.workspace.` + globex.String() + `'`:                        {"SL013", "is not that of workspace " + b.workspace.String(), "leave it out"},
		`'T', 'WORKFLOW.workspace.` + b.workspace.String() + `'`:                   {"SL013", "is not that of workspace", ""},
		`'T', 'workflow.workspace.` + strings.ToUpper(b.workspace.String()) + `x'`: {"SL013", "is not that of workspace", ""},
		`'T', 'q', workflow_id => '` + name + `'`:                                  {"SL013", "workflow_id must have 1 to 1000 bytes", ""},
		`'T', 'q', workflow_id => 'sluice-dispatcher'`:                             {"SL013", "begins as those of Sluice itself do", ""},
		`'T', 'q', workflow_id => 'Execution-` + unknown + `'`:                     {"SL013", "begins as those of Sluice itself do", ""},
		`'T', 'q', workflow_id => E'a\tb'`:                                         {"SL013", "characters that can be seen", ""},

		`'T', 'q', options => '[]'`:                                              {"SL014", "options must be a JSON object, not array", ""},
		`'T', 'q', options => 'null'`:                                            {"SL014", "options must be a JSON object, not null", ""},
		`'T', 'q', options => '{"timeout": "1s"}'`:                               {"SL014", `options."timeout" is not known`, "there are executionTimeout"},
		`'T', 'q', options => '{"runTimeout": 5}'`:                               {"SL014", `options.runTimeout must be a duration such as "90s" or "2h", not 5`, ""},
		`'T', 'q', options => '{"runTimeout": "5"}'`:                             {"SL014", "must be a duration", ""},
		`'T', 'q', options => '{"taskTimeout": "-5s"}'`:                          {"SL014", "must be a duration", ""},
		`'T', 'q', options => '{"executionTimeout": "99999999999h"}'`:            {"SL014", "must be a duration", ""},
		`'T', 'q', options => '{"executionTimeout": "876000h1ns"}'`:              {"SL014", "must be a duration", ""},
		`'T', 'q', options => '{"executionTimeout": null}'`:                      {"SL014", "must be a duration", ""},
		`'T', 'q', options => '{"memo": [1]}'`:                                   {"SL014", "options.memo must be a JSON object, not array", ""},
		`'T', 'q', options => '{"searchAttributes": "x"}'`:                       {"SL014", "options.searchAttributes must be a JSON object", ""},
		`'T', 'q', options => '{"searchAttributes": {"SluicePlan": "x"}}'`:       {"SL014", "begin with Sluice", ""},
		`'T', 'q', options => '{"summary": 1}'`:                                  {"SL014", "options.summary must be a text of at most 400 bytes", ""},
		`'T', 'q', options => jsonb_build_object('summary', repeat('x', 401))`:   {"SL014", "options.summary must be a text of at most 400 bytes", ""},
		`'T', 'q', options => jsonb_build_object('details', repeat('ä', 10001))`: {"SL014", "options.details must be a text of at most 20000 bytes", ""},
		`'T', 'q', options => '{"onConflict": "terminate"}'`:                     {"SL014", `options.onConflict must be "fail" or "wait", not "terminate"`, ""},
		`'T', 'q', options => '{"onConflict": null}'`:                            {"SL014", "options.onConflict", ""},
		`'T', 'q', options => '{"retry": 3}'`:                                    {"SL014", "options.retry must be a JSON object, not number", ""},
		`'T', 'q', options => '{"retry": {"attempts": 3}}'`:                      {"SL014", `options.retry."attempts" is not known or has a wrong value 3`, "maximumAttempts"},
		`'T', 'q', options => '{"retry": {"maximumAttempts": 1.5}}'`:             {"SL014", "wrong value 1.5", ""},
		`'T', 'q', options => '{"retry": {"maximumAttempts": 3.0}}'`:             {"SL014", "wrong value 3.0", ""},
		`'T', 'q', options => '{"retry": {"maximumAttempts": -1}}'`:              {"SL014", "wrong value -1", ""},
		`'T', 'q', options => '{"retry": {"maximumAttempts": 2147483648}}'`:      {"SL014", "wrong value 2147483648", ""},
		`'T', 'q', options => '{"retry": {"backoffCoefficient": 0.5}}'`:          {"SL014", "wrong value 0.5", ""},
		`'T', 'q', options => '{"retry": {"backoffCoefficient": 1e400}}'`:        {"SL014", "backoffCoefficient", ""},
		`'T', 'q', options => '{"retry": {"initialInterval": "99999999999h"}}'`:  {"SL014", "initialInterval", ""},
		`'T', 'q', options => '{"retry": {"nonRetryableErrorTypes": [1]}}'`:      {"SL014", "nonRetryableErrorTypes", ""},

		`'T', 'q', priority => 0`:                           {"SL005", "priority must be 1 (first) to 5 (last), not 0", ""},
		`'T', 'q', priority => 9999999999`:                  {"SL005", "not 9999999999", ""},
		`'T', 'q', available_at => 'infinity'`:              {"SL006", "available_at must be at most ten years ahead", ""},
		`'T', 'q', expires_at => now()`:                     {"SL006", "must lie after available_at and the present", ""},
		`'T', 'q', unique_key => ''`:                        {"SL007", "unique_key must have 1 to 512 bytes, not 0", ""},
		`'T', 'q', unique_for => '1 day'`:                   {"SL007", "unique_for needs a unique_key", ""},
		`'T', 'q', unique_key => 'k', unique_for => '-1 s'`: {"SL007", "unique_for must be 0 to 100 years", ""},
		`'T', 'q', enqueued_by => E'a\nb'`:                  {"SL011", "enqueued_by must have at most 200 characters", ""},
		`'T', 'q', trigger_type => repeat('x', 201)`:        {"SL011", "trigger_type must have at most 200 characters", ""},
	} {
		err := requireRefused(t, b.db, want.code, `SELECT sluice.enqueue_workflow('`+b.workspace.String()+`', `+arguments+`)`)
		require.Contains(t, err.Message, want.message, arguments)
		require.Contains(t, err.Hint, want.hint, arguments)
		require.Less(t, len(err.Message), 1200, arguments)
	}
	require.Equal(t, "unknown workspace "+unknown, requireRefused(t, b.db, "SL001", `SELECT sluice.enqueue_workflow($1, 'T')`, unknown).Message)
	require.Equal(t, "unknown workspace NULL", requireRefused(t, b.db, "SL001", `SELECT sluice.enqueue_workflow(NULL, 'T')`).Message)
	b.requireNothing(t)
}

// requireNothing says that nothing has been enqueued.
func (b *bundle) requireNothing(t *testing.T) {
	t.Helper()
	for _, table := range []string{"pending", "events", "unique_keys", "inputs"} {
		require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.`+table), table)
	}
}

func TestARequestIsRefusedByWhatItSays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `UPDATE sluice.installation SET id = gen_random_uuid(), namespace = 'shop', namespace_id = 'n'`)
	start := func(change func(*workflowservice.StartWorkflowExecutionRequest)) []byte {
		r := &workflowservice.StartWorkflowExecutionRequest{WorkflowType: &commonpb.WorkflowType{Name: "Bill"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "bills"}, WorkflowId: "bill-7"}
		change(r)
		raw, err := proto.Marshal(r)
		require.NoError(t, err)
		return raw
	}
	type r = workflowservice.StartWorkflowExecutionRequest
	for name, c := range map[string]struct {
		request             []byte
		code, message, hint string
	}{
		"empty":                {[]byte{}, "SL013", "workflow_type is missing", ""},
		"random":               {[]byte("not a message at all"), "SL004", "request is no StartWorkflowExecutionRequest: it is ", "without a length or a frame"},
		"cut":                  {start(func(*r) {})[:9], "SL004", "it is cut short", ""},
		"framed by gRPC":       {append([]byte{0, 0, 0, 0, 20}, start(func(*r) {})...), "SL004", "no StartWorkflowExecutionRequest", "frame"},
		"no UTF-8":             {[]byte{0x12, 2, 0xff, 0xfe}, "SL004", "invalid byte sequence", ""},
		"another namespace":    {start(func(x *r) { x.Namespace = "other" }), "SL004", `request names the namespace "other", and Sluice serves "shop"`, "leave it out"},
		"cron":                 {start(func(x *r) { x.CronSchedule = "@daily" }), "SL004", `request has the cron schedule "@daily"`, "schedule"},
		"a negative delay":     {start(func(x *r) { x.WorkflowStartDelay = durationpb.New(-time.Second) }), "SL004", "it has a start delay that is none", ""},
		"a delay of ages":      {start(func(x *r) { x.WorkflowStartDelay = durationpb.New(1 << 62) }), "SL006", "", ""},
		"use existing":         {start(func(x *r) { x.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING }), "SL004", "policy USE_EXISTING", "onConflict"},
		"terminate existing":   {start(func(x *r) { x.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING }), "SL004", "policy TERMINATE_EXISTING", "onConflict"},
		"terminate if running": {start(func(x *r) { x.WorkflowIdReusePolicy = 4 }), "SL004", "policy TERMINATE_IF_RUNNING", "onConflict"},
		"callbacks":            {start(func(x *r) { x.CompletionCallbacks = []*commonpb.Callback{{}, {}} }), "SL004", "request has 2 completion callbacks", "leave them out"},
		"own type":             {start(func(x *r) { x.WorkflowType.Name = "Execution" }), "SL013", "is a type of Sluice itself", ""},
		"own queue":            {start(func(x *r) { x.TaskQueue.Name = "workflows.default" }), "SL013", "is Sluice's own", ""},
		"another's queue":      {start(func(x *r) { x.TaskQueue.Name = "workflow.workspace." + uuid.NewString() }), "SL013", "is not that of workspace", ""},
		"own id":               {start(func(x *r) { x.WorkflowId = "execution-" + uuid.NewString() }), "SL013", "begins as those of Sluice itself do", ""},
		"a type twice":         {append(start(func(*r) {}), 0x1a, 11, 0x0a, 9, 'E', 'x', 'e', 'c', 'u', 't', 'i', 'o', 'n'), "SL013", "is a type of Sluice itself", ""},
		"too large":            {start(func(x *r) { x.Identity = strings.Repeat("x", 2<<20) }), "SL004", "at most 2097152 (2 MiB) are allowed", "reference"},
	} {
		err := requireRefused(t, b.db, c.code, `SELECT sluice.enqueue_workflow($1, NULL, request => $2)`, b.workspace, c.request)
		require.Contains(t, err.Message, c.message, name)
		require.Contains(t, err.Hint, c.hint, name)
	}
	b.requireNothing(t)

	largest := start(func(x *r) { x.Identity = strings.Repeat("x", 2<<20-64) })
	answer := one[map[string]string](t, b.db, `SELECT sluice.enqueue_workflow($1, 'Ignored', 'ignored', '[1]', 'ignored', request => $2)`, b.workspace, largest)
	require.Equal(t, "bill-7", answer["workflowId"])
	require.Equal(t, "Bill bills t", one[string](t, b.db, `SELECT concat_ws(' ', workflow_type, task_queue, input, request IS NULL) FROM sluice.pending`), "a request wins")
	require.Equal(t, largest, one[[]byte](t, b.db, `SELECT request FROM sluice.inputs`))
	for name, delayed := range map[string][]byte{
		"a delay":              start(func(x *r) { x.WorkflowStartDelay = durationpb.New(90*time.Minute + 1500*time.Microsecond) }),
		"a delay and an empty": append(start(func(x *r) { x.WorkflowStartDelay = durationpb.New(90*time.Minute + 1500*time.Microsecond) }), 0xa2, 0x01, 0),
	} {
		answer := one[map[string]string](t, b.db, `SELECT sluice.enqueue_workflow($1, NULL, request => $2)`, b.workspace, delayed)
		require.Equal(t, "01:30:00.0015", one[string](t, b.db, `SELECT (available_at - created_at)::text FROM sluice.pending WHERE id = $1`, answer["queueId"]), name)
	}
	answer = one[map[string]string](t, b.db, `SELECT sluice.enqueue_workflow($1, NULL, request => $2, available_at => '2027-01-01 00:00Z')`, b.workspace,
		start(func(x *r) { x.WorkflowStartDelay = durationpb.New(time.Hour) }))
	require.True(t, one[bool](t, b.db, `SELECT available_at = '2027-01-01 00:00Z' FROM sluice.pending WHERE id = $1`, answer["queueId"]), "what the enqueue says wins")
	exec(t, b.db, `SELECT sluice.enqueue_workflow($1, 'Given', 'given', workflow_id => 'given', request => '\x')`, b.workspace)
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.pending WHERE workflow_type = 'Given' AND task_queue = 'given' AND workflow_id = 'given'`), "for what it does not say")
}
