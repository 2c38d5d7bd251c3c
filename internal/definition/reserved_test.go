package definition

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func parseNode(kind, config string) (Definition, error) {
	return Parse([]byte(nodes(node(a, `"name": "step", "type": "`+kind+`", "config": `+config))))
}

func quote(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func TestNodesMayNotNameWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxNameBytes)
	for name, want := range map[string]string{
		"Dispatcher": "type of Sluice itself", "Execution": "type of Sluice itself", "Recovery": "type of Sluice itself",
		"dispatcher": "type of Sluice itself", "EXECUTION": "type of Sluice itself", " Recovery ": "type of Sluice itself", "Execution\t": "type of Sluice itself",
		"temporal-sys-scheduler-workflow": "Temporal reserves", "Temporal-Sys-x": "Temporal reserves", "__temporal_x": "Temporal reserves", "/_sys/x": "Temporal reserves",
		long + "x": "has 1001 bytes, at most 1000", strings.Repeat("ä", 501): "has 1002 bytes", " Bill": "white space", "Bill\n": "white space",
		"\u00a0Bill": "white space", "Bi\x00ll": "control characters", "Bi\nll": "control characters",
	} {
		_, err := parseNode("workflow", fmt.Sprintf(`{"workflowType": %s}`, quote(name)))
		require.ErrorContains(t, err, want, "type %q", name)
		require.ErrorContains(t, err, "node step: config.workflowType", "type %q", name)
	}
	for name, want := range map[string]string{
		"workflows.default": "Sluice's own", "activities.external-api": "Sluice's own", "Workflows.Default": "Sluice's own", "workflows.default ": "Sluice's own",
		"/_sys/x": "Temporal reserves", "/_sys/workflows.default/1": "Temporal reserves", "temporal-sys-per-ns-tq": "Temporal reserves", "/_SYS/x": "Temporal reserves",
		long + "x": "has 1001 bytes", "\tq": "white space", " ": "white space", "a\x7fb": "control characters",
	} {
		_, err := parseNode("workflow", fmt.Sprintf(`{"workflowType": "Bill", "taskQueue": %s}`, quote(name)))
		require.ErrorContains(t, err, want, "task queue %q", name)
		require.ErrorContains(t, err, "node step: config.taskQueue", "task queue %q", name)
	}
	for _, config := range []string{`{"workflowType": "ExecutionReport"}`, `{"workflowType": "Bill", "taskQueue": ""}`, `{"workflowType": "Bill", "taskQueue": "workflows.default.mine"}`,
		fmt.Sprintf(`{"workflowType": %q, "taskQueue": %q}`, long, long), `{"workflowType": "Пример", "taskQueue": "a b/c"}`} {
		_, err := parseNode("workflow", config)
		require.NoError(t, err, config)
	}
}

func TestATaskQueueOfAnotherWorkspaceIsRefused(t *testing.T) {
	t.Parallel()
	own, other := uuid.MustParse(b), uuid.MustParse("abcdef00-0000-4000-8000-00000000000c")
	for queue, fine := range map[string]bool{
		"": true, "invoices": true, "workflow.workspace": true, "workflow.workspace." + own.String(): true,
		"workflow.workspace." + other.String(): false, "Workflow.Workspace." + own.String(): false, "workflow.workspace.": false,
		"workflow.workspace." + strings.ToUpper(other.String()): false, "workflow.workspace." + own.String() + "/1": false, "workflow.workspace.all": false,
	} {
		d, err := parseNode("workflow", fmt.Sprintf(`{"workflowType": "Bill", "taskQueue": %q}`, queue))
		require.NoError(t, err, queue)
		if fine {
			require.NoError(t, d.CheckOwner(own), queue)
			continue
		}
		require.ErrorContains(t, d.CheckOwner(own), fmt.Sprintf("node step: config.taskQueue %q is not this workspace's", queue))
	}
}

// Each of these was taken, and then refused by the server whenever the workflow asked for it.
func TestWhatTheServerWouldRefuseIsNamed(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`"retry": {"maximumInterval": "500ms"}`:                              "config.retry.maximumInterval 500ms must not be below initialInterval, which is 1s unless it is given",
		`"retry": {"maximumInterval": "999ms", "maximumAttempts": 1}`:        "config.retry.maximumInterval 999ms",
		`"retry": {"initialInterval": "3s", "maximumInterval": "2s"}`:        "config.retry.maximumInterval 2s must not be below initialInterval, which is 3s",
		`"retry": {"initialInterval": "2562047h"}`:                           "config.retry.initialInterval must be 1ms to 8760h0m0s, got 2562047h0m0s",
		`"retry": {"initialInterval": "8761h"}`:                              "got 8761h0m0s",
		`"retry": {"initialInterval": "1ns"}`:                                "got 1ns",
		`"retry": {"maximumInterval": "2562047h"}`:                           "config.retry.maximumInterval must be 1ms to 8760h0m0s, got 2562047h0m0s",
		`"retry": {"maximumInterval": "-1ns"}`:                               "config.retry.maximumInterval must not be negative, got -1ns",
		`"retry": {"backoffCoefficient": 1e308}`:                             "config.retry.backoffCoefficient must be at least 1 and at most 1000, got 1e+308",
		`"retry": {"backoffCoefficient": 1e-300}`:                            "got 1e-300",
		`"retry": {"backoffCoefficient": -2}`:                                "got -2",
		`"retry": {"backoffCoefficient": 1e400}`:                             "1e400",
		`"retry": {"maximumAttempts": -1}`:                                   "config.retry.maximumAttempts must not be negative, got -1",
		`"retry": {"maximumAttempts": 2147483648}`:                           "2147483648",
		`"retry": {"maximumAttempts": 1.5}`:                                  "1.5",
		`"timeout": "-1s"`:                                                   "config.timeout must not be negative, got -1s",
		`"timeout": "2562047h"`:                                              "got 2562047h0m0s",
		`"timeout": "1ns"`:                                                   "got 1ns",
		`"timeout": "2562048h"`:                                              "is not a duration",
		`"retry": {"initialInterval": "-1s", "backoffCoefficient": 0.5}`:     "got 0.5\nconfig.retry.initialInterval must not be negative, got -1s",
		`"retry": {"maximumInterval": "1s", "nonRetryableErrorTypes": [""]}`: "unknown field",
	} {
		_, err := parseNode("http", `{"url": "http://a", `+config+`}`)
		require.ErrorContains(t, err, want, config)
		_, err = parseNode("workflow", `{"workflowType": "A", `+config+`}`)
		require.ErrorContains(t, err, want, config)
	}
	_, err := Parse([]byte(`{"name": "n", "timeout": "2562047h", "nodes": [` + noop(a) + `]}`))
	require.ErrorContains(t, err, "timeout must be 1ms to 87600h0m0s, got 2562047h0m0s")
	for _, fine := range []string{`"retry": {"initialInterval": "500ms", "maximumInterval": "500ms"}`, `"retry": {"maximumInterval": "1s"}`,
		`"retry": {"initialInterval": "8760h", "maximumInterval": "8760h", "backoffCoefficient": 1000, "maximumAttempts": 2147483647}`,
		`"retry": {"initialInterval": "0s", "maximumInterval": "0s"}`, `"timeout": "0s"`, `"timeout": "1h"`, `"timeout": "1ms"`} {
		_, err := parseNode("http", `{"url": "http://a", `+fine+`}`)
		require.NoError(t, err, fine)
		_, err = parseNode("workflow", `{"workflowType": "A", `+fine+`}`)
		require.NoError(t, err, fine)
	}
	_, err = parseNode("workflow", `{"workflowType": "A", "timeout": "87600h"}`)
	require.NoError(t, err)
}

func TestHeadersAreTextsOrNamesOfSecrets(t *testing.T) {
	t.Parallel()
	d, err := parseNode("http", `{"url": "http://a", "headers": {"X-A": "b", "Authorization": {"secret": "STRIPE_KEY"}, "X-Empty": ""}}`)
	require.NoError(t, err)
	c, err := d.Nodes[0].HTTP()
	require.NoError(t, err)
	require.Equal(t, map[string]Header{"X-A": {Value: "b"}, "Authorization": {Secret: "STRIPE_KEY"}, "X-Empty": {}}, c.Headers)
	raw, err := json.Marshal(c.Headers)
	require.NoError(t, err)
	require.JSONEq(t, `{"X-A": "b", "Authorization": {"secret": "STRIPE_KEY"}, "X-Empty": ""}`, string(raw))
	many := make([]string, MaxHeaders+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"X-%d": ""`, i)
	}
	for headers, want := range map[string]string{
		`{"A": {"secret": "../other"}}`: "secret \"../other\" must be a name of capital letters", `{"A": {"secret": ""}}`: "must be a name",
		`{"A": {"secret": "a"}}`: "must be a name", `{"A": {"secret": "A/B"}}`: "must be a name", `{"A": {"secret": "A\n"}}`: "must be a name",
		`{"A": {"secret": "` + strings.Repeat("A", 65) + `"}}`: "must be a name", `{"A": {"secret": "KEY_HOSTS"}}`: "does not end with _HOSTS",
		`{"A": {"secret": "K", "value": "v"}}`: "unknown field", `{"A": {}}`: "must be a name", `{"A": null}`: "a header's value", `{"A": 1}`: "a header's value", `{"A": ["b"]}`: "a header's value",
		`{"A\r\nB": "c"}`: "is no name of a header", `{"": "c"}`: "is no name of a header", `{"A:": "c"}`: "is no name", `{"Ä": "c"}`: "is no name",
		`{"A": "b\r\nC: d"}`: "A must not hold control characters", `{"A": "\u0000"}`: "control characters", `{"A": "` + strings.Repeat("x", MaxHeaderValue+1) + `"}`: "A has 8193 bytes",
		`{"host": "b"}`: "host is set by the worker", `{"Transfer-Encoding": "chunked"}`: "is set by the worker", `{"content-length": "0"}`: "is set by the worker",
		`{"authorization": "a", "Authorization": "b"}`: "Authorization and authorization are the same header", `{` + strings.Join(many, ",") + `}`: "101 entries, at most 100",
	} {
		_, err := parseNode("http", `{"url": "http://a", "headers": `+headers+`}`)
		require.ErrorContains(t, err, want, headers)
	}
}

func TestAURLNamesAHostAndAPortThatThereIs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://:80/": "absolute", "http://a:0/": "no port that there is: 0", "http://a:65536/": "no port", "http://a:99999999999/": "no port", "ftp://a": "absolute",
		"gopher://a": "absolute", "//a/b": "absolute", "http://a/" + strings.Repeat("x", 8192): "has 8201 bytes", "unix:///run/x.sock": "absolute",
	} {
		_, err := parseNode("http", `{"url": "`+url+`"}`)
		require.ErrorContains(t, err, want, url)
	}
}
