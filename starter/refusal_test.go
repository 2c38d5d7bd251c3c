package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// TestBadInput pins, for every way to get a command line wrong, the exit code and what the message must say.
func TestBadInput(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, definition := c.workspace()
	other := c.object("workspace", "create", "other")["id"].(string)
	unknown := uuid.NewString()
	for name, test := range map[string]struct {
		args  string // separated by |
		stdin string
		says  string
		code  int
	}{
		"unknown command":             {args: "enqeue", says: `unknown command "enqeue" for "starter"; did you mean "enqueue"?`, code: exitUsage},
		"unknown subcommand":          {args: "workspace|remove", says: `unknown command "remove" for "starter workspace"`, code: exitUsage},
		"unknown flag":                {args: "list|--colour", says: "unknown flag: --colour (see: starter list --help)", code: exitUsage},
		"missing argument":            {args: "workspace|create", says: "NAME is missing", code: exitUsage},
		"one argument too many":       {args: "workspace|create|a|b", says: `unexpected argument "b"`, code: exitUsage},
		"argument where none":         {args: "list|now", says: `unexpected argument "now"`, code: exitUsage},
		"empty name":                  {args: "workspace|create| ", says: "a workspace needs a name", code: exitUsage},
		"unknown plan":                {args: "workspace|create|x|--plan|GOLD", says: `unknown plan "GOLD" (plans are FREE, STARTER, PRO, ENTERPRISE)`, code: exitUsage},
		"set-plan: no id":             {args: "workspace|set-plan|nobody|PRO", says: `unknown workspace "nobody" (no workspace has this key or id; a name is no key: starter workspace set ID --key nobody)`, code: exitUsage},
		"set-plan: unknown":           {args: "workspace|set-plan|" + unknown + "|PRO", says: "unknown workspace " + unknown, code: exitUsage},
		"tier: nothing to set":        {args: "tier|set|PRO", says: "max-concurrent weight", code: exitUsage},
		"tier: negative":              {args: "tier|set|PRO|--max-concurrent|-1", says: "must be 0 to", code: exitUsage},
		"tier: weight":                {args: "tier|set|PRO|--weight|0", says: "weight must be 1 to 1000", code: exitUsage},
		"tier: unknown":               {args: "tier|set|GOLD|--weight|2", says: "unknown plan GOLD", code: exitUsage},
		"tier: bad name":              {args: "tier|set|a b|--max-concurrent|2", says: `plan "a b"`, code: exitUsage},
		"tier: no number":             {args: "tier|set|PRO|--max-concurrent|many", says: `invalid argument "many"`, code: exitUsage},
		"apply: no workspace":         {args: "definition|apply|-", says: `required flag(s) "workspace" not set`, code: exitUsage},
		"apply: no id":                {args: "definition|apply|-|--workspace|abc", stdin: exampleDefinition, says: `unknown workspace "abc"`, code: exitUsage},
		"apply: no file":              {args: "definition|apply|/nowhere.json|--workspace|" + workspace, says: "/nowhere.json: no such file", code: exitUsage},
		"apply: no JSON":              {args: "definition|apply|-|--workspace|" + workspace, stdin: "{", says: "not valid JSON", code: exitUsage},
		"apply: no nodes":             {args: "definition|apply|-|--workspace|" + workspace, stdin: `{"name": "x"}`, says: "nodes is empty", code: exitUsage},
		"apply: huge":                 {args: "definition|apply|-|--workspace|" + workspace, stdin: strings.Repeat(" ", maxDefinitionFile+1), says: "has more than", code: exitUsage},
		"apply: own type":             {args: "definition|apply|-|--workspace|" + workspace, stdin: `{"name": "x", "nodes": [{"name": "a", "type": "workflow", "config": {"workflowType": "Dispatcher"}}]}`, says: `node a: config.workflowType "Dispatcher" is a type of Sluice itself`, code: exitUsage},
		"apply: another's queue":      {args: "definition|apply|-|--workspace|" + workspace, stdin: `{"name": "x", "nodes": [{"name": "a", "type": "workflow", "config": {"workflowType": "A", "taskQueue": "workflow.workspace.` + other + `"}}]}`, says: "is not this workspace's", code: exitUsage},
		"set: hosts":                  {args: "workspace|set|" + workspace + "|--allowed-hosts|a.example,127.1", says: `host "127.1" is an address in a form that is not understood`, code: exitUsage},
		"set: no hosts":               {args: "workspace|set|" + workspace + "|--allowed-hosts|", says: `host "" is no name of a host`, code: exitUsage},
		"apply: unknown":              {args: "definition|apply|-|--workspace|" + unknown, stdin: exampleDefinition, says: "unknown workspace " + unknown, code: exitUsage},
		"enqueue: nothing":            {args: "enqueue", says: `required flag(s) "workspace" not set`, code: exitUsage},
		"enqueue: no workspace id":    {args: "enqueue|--workspace|abc|--definition|" + definition, says: `unknown workspace "abc" (no workspace has this key or id; a name is no key: starter workspace set ID --key abc)`, code: exitUsage},
		"enqueue: no definition id":   {args: "enqueue|--workspace|" + workspace + "|--definition|abc", says: `--definition "abc" is not a definition id (a UUID) (list them with: starter definition list)`, code: exitUsage},
		"enqueue: unknown workspace":  {args: "enqueue|--workspace|" + unknown + "|--definition|" + definition, says: "unknown workspace " + unknown, code: exitUsage},
		"enqueue: many, unknown":      {args: "enqueue|--workspace|" + unknown + "|--definition|" + definition + "|--count|9", says: "unknown workspace " + unknown, code: exitUsage},
		"enqueue: unknown":            {args: "enqueue|--workspace|" + workspace + "|--definition|" + unknown, says: "unknown workflow definition " + unknown, code: exitUsage},
		"enqueue: foreign":            {args: "enqueue|--workspace|" + other + "|--definition|" + definition, says: "does not belong to workspace " + other, code: exitUsage},
		"enqueue: no JSON":            {args: "ENQUEUE|--input|{order: 7}", says: "--input is not valid JSON", code: exitUsage},
		"enqueue: no object":          {args: "ENQUEUE|--input|[1]", says: "input must be a JSON object", code: exitUsage},
		"enqueue: empty stdin":        {args: "ENQUEUE|--input|-", says: "--input is not valid JSON", code: exitUsage},
		"enqueue: no input file":      {args: "ENQUEUE|--input|@/nowhere.json", says: "no such file", code: exitUsage},
		"enqueue: large":              {args: "ENQUEUE|--input|-", stdin: `{"a": "` + strings.Repeat("a", 300<<10) + `"}`, says: "at most 262144 (256 KiB) are allowed", code: exitUsage},
		"enqueue: priority 0":         {args: "ENQUEUE|--priority|0", says: "--priority must be 1 (first) to 5 (last), not 0", code: exitUsage},
		"enqueue: priority 6":         {args: "ENQUEUE|--priority|6", says: "not 6", code: exitUsage},
		"enqueue: no time":            {args: "ENQUEUE|--available-at|tomorrow", says: `--available-at "tomorrow" is not an RFC 3339 time`, code: exitUsage},
		"enqueue: expired":            {args: "ENQUEUE|--expires-at|2020-01-01T00:00:00Z", says: "must lie after available_at and the present", code: exitUsage},
		"enqueue: expires first":      {args: "ENQUEUE|--delay|2h|--expires-in|1h", says: "must lie after available_at", code: exitUsage},
		"enqueue: two starts":         {args: "ENQUEUE|--delay|2h|--available-at|2030-01-01T00:00:00Z", says: "[available-at delay]", code: exitUsage},
		"enqueue: two ends":           {args: "ENQUEUE|--expires-in|2h|--expires-at|2030-01-01T00:00:00Z", says: "[expires-at expires-in]", code: exitUsage},
		"enqueue: negative delay":     {args: "ENQUEUE|--delay|-1s", says: "--delay must not be negative", code: exitUsage},
		"enqueue: no lifetime":        {args: "ENQUEUE|--expires-in|0s", says: "--expires-in must be positive", code: exitUsage},
		"enqueue: no duration":        {args: "ENQUEUE|--delay|soon", says: `invalid argument "soon"`, code: exitUsage},
		"enqueue: count 0":            {args: "ENQUEUE|--count|0", says: "--count must be 1 to 1000000, not 0", code: exitUsage},
		"enqueue: key and count":      {args: "ENQUEUE|--count|2|--unique-key|k", says: "exclude each other", code: exitUsage},
		"enqueue: for without a key":  {args: "ENQUEUE|--unique-for|1h", says: "--unique-for needs a --unique-key", code: exitUsage},
		"enqueue: for less than none": {args: "ENQUEUE|--unique-key|k|--unique-for|-1s", says: "--unique-for must not be negative, got -1s", code: exitUsage},
		"enqueue: for a while":        {args: "ENQUEUE|--unique-key|k|--unique-for|a while", says: `must be like 30d, 12h or 90s, not "a while"`, code: exitUsage},
		"enqueue: empty key":          {args: "ENQUEUE|--unique-key|", says: "--unique-key must not be empty", code: exitUsage},
		"enqueue: long key":           {args: "ENQUEUE|--unique-key|" + strings.Repeat("k", 513), says: "unique key must have at most 512 bytes", code: exitUsage},
		"enqueue: neither":            {args: "enqueue|--workspace|" + workspace, says: "at least one of the flags in the group [type definition] is required", code: exitUsage},
		"enqueue: both":               {args: "ENQUEUE|--type|Pay", says: "[type definition]", code: exitUsage},
		"enqueue: arg, no type":       {args: "ENQUEUE|--arg|1", says: "--arg is for a workflow: give its --type", code: exitUsage},
		"workflow: input":             {args: "WORKFLOW|--input|{}", says: "--input is for a definition: give the arguments of a workflow with --arg", code: exitUsage},
		"workflow: no JSON":           {args: "WORKFLOW|--arg|hello", says: "--arg is not valid JSON: give a value such as 42", code: exitUsage},
		"workflow: no file":           {args: "WORKFLOW|--arg|@/nowhere.json", says: "no such file", code: exitUsage},
		"workflow: id and count":      {args: "WORKFLOW|--workflow-id|a|--count|2", says: "--workflow-id and --count exclude each other", code: exitUsage},
		"workflow: conflict":          {args: "WORKFLOW|--on-conflict|queue", says: `--on-conflict must be fail or wait, not "queue"`, code: exitUsage},
		"workflow: options":           {args: "WORKFLOW|--options|[1]", says: "--options must be a JSON object", code: exitUsage},
		"workflow: unknown option":    {args: `WORKFLOW|--options|{"timeout": "1s"}`, says: `options."timeout" is not known (there are executionTimeout`, code: exitUsage},
		"workflow: own type":          {args: "enqueue|--workspace|" + workspace + "|--type|Execution", says: "is a type of Sluice itself", code: exitUsage},
		"workflow: own queue":         {args: "WORKFLOW|--task-queue|workflows.default", says: "is Sluice's own", code: exitUsage},
		"workflow: another's queue":   {args: "WORKFLOW|--task-queue|workflow.workspace." + other, says: "is not that of workspace " + workspace, code: exitUsage},
		"workflow: own id":            {args: "WORKFLOW|--workflow-id|execution-1", says: "begins as those of Sluice itself do", code: exitUsage},
		"workflow: unknown workspace": {args: "enqueue|--workspace|" + unknown + "|--type|Pay", says: "unknown workspace " + unknown, code: exitUsage},
		"workflow: unknown key":       {args: "enqueue|--workspace|nobody|--type|Pay", says: `unknown workspace "nobody"`, code: exitUsage},
		"wait: no id":                 {args: "wait|abc", says: "is not a queue item id", code: exitUsage},
		"wait: unknown":               {args: "wait|" + unknown, says: "no queue item or execution " + unknown, code: exitNotRunning},
		"list: type and definition":   {args: "list|--type|Pay|--definition|" + definition, says: "give one of the two", code: exitUsage},
		"create: no id":               {args: "workspace|create|x|--id|x", says: `--id "x" is not a UUID`, code: exitUsage},
		"create: its id":              {args: "workspace|create|x|--id|" + workspace, says: "there is a workspace of this id already", code: exitUsage},
		"create: no key":              {args: "workspace|create|x|--key|", says: "--key must not be empty", code: exitUsage},
		"limits: unknown plan":        {args: "limits|set|--auto-create-plan|GOLD", says: `unknown plan "GOLD"`, code: exitUsage},
		"limits: task queue":          {args: "limits|set|--task-queue-template|workflows.default", says: `task queue "workflows.default"`, code: exitUsage},
		"list: workspace":             {args: "list|--workspace|", says: `--workspace is empty: give a workspace's id or key`, code: exitUsage},
		"list: status":                {args: "list|--status|WAITING", says: `unknown --status "WAITING": it is one of PENDING, CLAIMED`, code: exitUsage},
		"list: limit":                 {args: "list|--limit|0", says: "--limit must be 1 to 10000, not 0", code: exitUsage},
		"describe: no id":             {args: "describe|abc", says: `argument "abc" is not a queue item id (a UUID) (list them with: starter list)`, code: exitUsage},
		"describe: unknown":           {args: "describe|" + unknown, says: "no queue item or execution " + unknown, code: exitNotRunning},
		"cancel: no id":               {args: "cancel|abc", says: "is not a queue item id", code: exitUsage},
		"cancel: unknown":             {args: "cancel|" + unknown, says: "no queue item or execution " + unknown, code: exitNotRunning},
		"retry: nothing":              {args: "retry", says: "say what to retry: ids, a filter such as --workspace, or --all", code: exitUsage},
		"retry: a limit is no filter": {args: "retry|--limit|5", says: "say what to retry", code: exitUsage},
		"retry: ids and a filter":     {args: "retry|" + unknown + "|--all", says: "give ids or a filter, not both", code: exitUsage},
		"retry: all and a filter":     {args: "retry|--all|--reason|x", says: "[all reason]", code: exitUsage},
		"retry: no id":                {args: "retry|abc", says: "is not a queue item id", code: exitUsage},
		"retry: no reason":            {args: "retry|--reason|", says: "--reason must not be empty", code: exitUsage},
		"retry: limit":                {args: "retry|--all|--limit|-1", says: "--limit must not be negative, got -1", code: exitUsage},
		"retry: workspace":            {args: "retry|--workspace|abc", says: `unknown workspace "abc"`, code: exitUsage},
		"retry: unknown":              {args: "retry|" + unknown, says: "no queue item " + unknown, code: exitNotRunning},
		"audit: grace":                {args: "audit|--grace|0s", says: "--grace must be positive, got 0s", code: exitUsage},
		"audit: since":                {args: "audit|--since|-1s", says: "--since must not be negative, got -1s", code: exitUsage},
		"configure: nothing":          {args: "configure", says: "batch-size poll-interval spin parallelism", code: exitUsage},
		"start: tunables":             {args: "start|--batch-size|5000", says: "batch size must be 1 to 1000, not 5000", code: exitUsage},
		"start: no shards":            {args: "start|--shards|0", says: "--shards must be 1 to 64, not 0", code: exitUsage},
		"start: too many shards":      {args: "start|--shards|65", says: "--shards must be 1 to 64, not 65", code: exitUsage},
		"start: half a shard":         {args: "start|--shards|1.5", says: `invalid argument "1.5"`, code: exitUsage},
		"timeout":                     {args: "list|--timeout|-1s", says: "--timeout must not be negative", code: exitUsage},
		"Temporal is down":            {args: "start", says: "cannot use Temporal at 127.0.0.1:1: connection refused; is it running, and is TEMPORAL_ADDRESS right?", code: exitUnreachable},
		"Postgres is down":            {args: "list|--database-url|postgres://me:s3cret@127.0.0.1:1/db", says: "cannot use Postgres at 127.0.0.1:1: connection refused", code: exitUnreachable},
		"malformed URL":               {args: "list|--database-url|postgres://me:s3cret@host:port/db", says: "the database URL is malformed; set DATABASE_URL to postgres://", code: exitUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := c
			c.t, c.stdin = t, test.stdin
			args := strings.ReplaceAll(test.args, "ENQUEUE", "enqueue|--workspace|"+workspace+"|--definition|"+definition)
			args = strings.ReplaceAll(args, "WORKFLOW", "enqueue|--workspace|"+workspace+"|--type|Pay")
			out := c.run(strings.Split(args, "|")...)
			require.Equal(t, test.code, out.code, out.stderr)
			require.Contains(t, out.stderr, test.says)
			require.NotContains(t, out.stderr, "s3cret")
			require.Empty(t, out.stdout)
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, args := range []string{"", "--help", "workspace", "help enqueue"} {
		require.Contains(t, c.ok(strings.Fields(args)...), "Usage:")
	}
}

func TestWaitingIsTold(t *testing.T) {
	t.Parallel()
	out := onPostgres(t).run("start")
	require.Equal(t, exitUnreachable, out.code)
	require.Contains(t, out.stderr, "waiting for Temporal at 127.0.0.1:1: connection refused\n")
}

func TestTimeoutBoundsTheWait(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	var took time.Duration
	for range 5 { // the machine may stand still for seconds
		started := time.Now()
		out := c.run("start", "--timeout", "300ms")
		took = time.Since(started)
		require.Equal(t, exitUnreachable, out.code)
		if took < connectPatience {
			break
		}
	}
	require.Less(t, took, connectPatience)
}
