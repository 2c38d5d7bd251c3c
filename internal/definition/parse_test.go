package definition

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const (
	a = "00000000-0000-4000-8000-00000000000a"
	b = "00000000-0000-4000-8000-00000000000b"
	c = "00000000-0000-4000-8000-00000000000c"
)

// nodes makes a definition file of node objects.
func nodes(objects ...string) string {
	return `{"name": "n", "nodes": [` + strings.Join(objects, ", ") + `]}`
}

// node makes one node object; the rest is what comes after its id.
func node(id, rest string) string { return `{"id": "` + id + `", ` + rest + `}` }

func noop(id string, needs ...string) string {
	raw, err := json.Marshal(needs)
	if err != nil {
		panic(err)
	}
	return node(id, `"type": "noop", "needs": `+string(raw))
}

// named makes a node that has a name and no id.
func named(name string, needs ...string) string {
	raw, err := json.Marshal(map[string]any{"name": name, "type": "noop", "needs": needs})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// madeID is the id of a node that has none in the file.
func madeID(definition, node string) string {
	return uuid.NewSHA1(uuid.NewSHA1(uuid.MustParse("6f0b1f5e-3c0d-4b8a-9a51-5f2d8c7e4b10"), []byte(definition)), []byte(node)).String()
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := Parse([]byte(`{"name": "order", "timeout": "1h30m", "nodes": [
		` + node(a, `"name": "wait", "type": "delay", "config": {"duration": "1m30s"}`) + `,
		` + node(b, `"type": "http", "config": {"url": "https://example.com/x", "method": "POST", "headers": {"A": "b"}, "body": {"n": 1}, "timeout": "5s",
			"retry": {"initialInterval": "1s", "backoffCoefficient": 1.5, "maximumInterval": "10s", "maximumAttempts": 3}}, "needs": ["`+a+`"]`) + `,
		` + node(c, `"type": "workflow", "config": {"workflowType": "Bill", "taskQueue": "q", "input": [1], "timeout": "1h"}, "needs": ["`+a+`", "`+b+`"]`) + `,
		` + noop("00000000-0000-4000-8000-00000000000d") + `
	]}`))
	require.NoError(t, err)
	require.Equal(t, "order", got.Name)
	require.Equal(t, 90*time.Minute, time.Duration(got.Timeout))
	require.Len(t, got.Nodes, 4)
	require.Equal(t, "wait", got.Nodes[0].Label())
	require.Equal(t, b, got.Nodes[1].Label(), "a node without a name is called by its id")
	require.Equal(t, []uuid.UUID{uuid.MustParse(a), uuid.MustParse(b)}, got.Nodes[2].Needs)

	delay, err := got.Nodes[0].Delay()
	require.NoError(t, err)
	require.Equal(t, 90*time.Second, time.Duration(delay.Duration))
	http, err := got.Nodes[1].HTTP()
	require.NoError(t, err)
	require.Equal(t, HTTPConfig{URL: "https://example.com/x", Method: "POST", Headers: map[string]Header{"A": {Value: "b"}}, Body: json.RawMessage(`{"n": 1}`),
		Timeout: Duration(5 * time.Second), Retry: Retry{InitialInterval: Duration(time.Second), BackoffCoefficient: 1.5,
			MaximumInterval: Duration(10 * time.Second), MaximumAttempts: 3}}, http)
	child, err := got.Nodes[2].Workflow()
	require.NoError(t, err)
	require.Equal(t, WorkflowConfig{WorkflowType: "Bill", TaskQueue: "q", Input: json.RawMessage(`[1]`), Timeout: Duration(time.Hour)}, child)
}

func TestNodesMayNameEachOther(t *testing.T) {
	t.Parallel()
	file := []byte(nodes(named("ship", "pay", a), named("pay", "reserve"), node(a, `"name": "reserve", "type": "noop"`), node(b, `"name": "twice", "type": "noop"`),
		node(c, `"name": "twice", "type": "noop", "needs": ["ship", "`+b+`"]`)))
	got, err := Parse(file)
	require.NoError(t, err)
	ship, pay := uuid.MustParse(madeID("n", "ship")), uuid.MustParse(madeID("n", "pay"))
	require.Equal(t, []uuid.UUID{ship, pay, uuid.MustParse(a), uuid.MustParse(b), uuid.MustParse(c)}, ids(got.Nodes))
	require.Equal(t, []uuid.UUID{pay, uuid.MustParse(a)}, got.Nodes[0].Needs)
	require.Equal(t, []uuid.UUID{uuid.MustParse(a)}, got.Nodes[1].Needs)
	require.Equal(t, []uuid.UUID{ship, uuid.MustParse(b)}, got.Nodes[4].Needs, "two nodes with ids may have one name, as long as no need says it")
	stored, err := ParseVersion(file, "from the row")
	require.NoError(t, err)
	require.Equal(t, got, stored)
}

func TestAnIDComesBeforeAName(t *testing.T) {
	t.Parallel()
	got, err := Parse([]byte(nodes(node(b, `"name": "`+a+`", "type": "noop"`), noop(a), noop(c, a))))
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{uuid.MustParse(a)}, got.Nodes[2].Needs)
	got, err = Parse([]byte(nodes(node(b, `"name": "`+a+`", "type": "noop"`), noop(c, a))))
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{uuid.MustParse(b)}, got.Nodes[1].Needs, "it is a name where it is no id")
}

// A node keeps its made id from version to version, and shares it with no other definition.
func TestAMadeIDDependsOnTheNamesOnly(t *testing.T) {
	t.Parallel()
	made := func(file string) uuid.UUID {
		got, err := Parse([]byte(file))
		require.NoError(t, err)
		return got.Nodes[len(got.Nodes)-1].ID
	}
	first := made(nodes(named("pay")))
	require.Equal(t, first, made(nodes(noop(a), `{"name": "pay", "type": "delay", "config": {"duration": "1s"}, "needs": ["`+a+`"]}`)))
	require.NotEqual(t, first, made(strings.Replace(nodes(named("pay")), `"n"`, `"m"`, 1)))
	require.NotEqual(t, first, made(nodes(named("ship"))))
}

func TestRetriesComeAsTemporalHasThem(t *testing.T) {
	t.Parallel()
	own := Retry{InitialInterval: Duration(300 * time.Millisecond), BackoffCoefficient: 3, MaximumInterval: Duration(2 * time.Second)}
	for attempt, want := range map[int][2]time.Duration{ // by default, by its own policy
		1: {time.Second, 300 * time.Millisecond}, 2: {2 * time.Second, 900 * time.Millisecond}, 3: {4 * time.Second, 2 * time.Second},
		8: {100 * time.Second, 2 * time.Second}, 5000: {100 * time.Second, 2 * time.Second},
	} {
		require.Equal(t, want, [2]time.Duration{Retry{}.After(attempt), own.After(attempt)}, "attempt %d", attempt)
	}
}

func TestHTTPDefaults(t *testing.T) {
	t.Parallel()
	got, err := Node{Type: HTTP, Config: json.RawMessage(`{"url": "http://localhost:8080"}`)}.HTTP()
	require.NoError(t, err)
	require.Equal(t, HTTPConfig{URL: "http://localhost:8080", Method: "GET", Timeout: Duration(DefaultHTTPTimeout),
		Retry: Retry{MaximumAttempts: DefaultHTTPAttempts}}, got)
}

func TestParseNamesTheProblem(t *testing.T) {
	t.Parallel()
	configured := func(nodeType, config string) string {
		return nodes(node(a, `"name": "step", "type": "`+nodeType+`", "config": `+config))
	}
	many := make([]string, MaxNodes+1)
	for i := range many {
		many[i] = noop(fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1))
	}
	tests := map[string]struct {
		raw  string
		want string
	}{
		"nothing":                    {``, "not valid JSON"},
		"half of it":                 {`{"name": "n"`, "not valid JSON"},
		"a list":                     {`[]`, "cannot unmarshal array"},
		"more after it":              {nodes(noop(a)) + ` {}`, "more after the first JSON value"},
		"a brace too many":           {nodes(noop(a)) + `}`, "more after the first JSON value"},
		"a bracket too many":         {nodes(noop(a)) + ` ]`, "more after the first JSON value"},
		"null":                       {`null`, "nodes is empty"},
		"an unknown field":           {`{"name": "n", "nodez": []}`, `unknown field "nodez"`},
		"an unknown field of a node": {nodes(node(a, `"type": "noop", "need": []`)), `unknown field "need"`},
		"no name":                    {`{"nodes": [` + noop(a) + `]}`, "name is missing"},
		"no nodes":                   {`{"name": "n"}`, "nodes is empty"},
		"a negative timeout":         {`{"name": "n", "timeout": "-1s", "nodes": [` + noop(a) + `]}`, "timeout must not be negative"},
		"a timeout without a unit":   {`{"name": "n", "timeout": "10", "nodes": [` + noop(a) + `]}`, `"10" is not a duration such as`},
		"a timeout as a number":      {`{"name": "n", "timeout": 10, "nodes": [` + noop(a) + `]}`, "cannot unmarshal number"},
		"too many nodes":             {nodes(many...), "1001 nodes, at most 1000"},
		"too many bytes":             {nodes(noop(a)) + strings.Repeat(" ", MaxBytes), "at most 524288 are allowed"},
		"an id that is none":         {nodes(noop("first")), "invalid UUID"},
		"too many needs":             {nodes(noop(a), noop(b, slices.Repeat([]string{a}, MaxNeeds+1)...)), "10001 needs of all nodes together, at most 10000"},
		"neither a name nor an id":   {nodes(noop(a), `{"type": "noop"}`), "node 2 has neither a name nor an id: give it a name"},
		"the nil id":                 {nodes(noop(a), noop(uuid.Nil.String())), "node 2 has neither a name nor an id"},
		"a name used twice, no ids":  {nodes(named("pay"), named("pay")), "node 1 (pay) has no id, and its name is that of node 2: give it another name, or an id"},
		"a name used twice, one id":  {nodes(named("pay"), node(a, `"name": "pay", "type": "noop"`)), "node 1 (pay) has no id, and its name is that of node 2 (" + a + ")"},
		"an unknown name as a need":  {nodes(named("pay", "reserve")), `node pay: needs "reserve", which is no node of this definition`},
		"no name as a need":          {nodes(noop(a, "")), `needs "", which is no node of this definition`},
		"a need of two nodes": {nodes(node(a, `"name": "pay", "type": "noop"`), node(b, `"name": "pay", "type": "noop"`), named("ship", "pay")),
			`node ship: needs "pay", which is the name of node 1 (` + a + `) and node 2 (` + b + `): give the id of the one that is meant`},
		"a need of many nodes":        {nodes(named("x"), named("x"), named("x"), named("x"), named("x", "x")), "node 1 and node 2 and node 3 and others"},
		"a cycle of names":            {nodes(named("a", "b"), named("b", "a")), "cycle: a -> b -> a"},
		"a name that needs itself":    {nodes(named("a", "a")), "cycle: a -> a"},
		"a problem without a name":    {nodes(noop(a), `{"type": "magic"}`), `node 2: unknown type "magic"`},
		"the made id of another one":  {nodes(named("pay"), noop(madeID("n", "pay"))), "id " + madeID("n", "pay") + " is used twice"},
		"an id used twice":            {nodes(noop(a), noop(a)), "used twice"},
		"an unknown need":             {nodes(noop(a, b)), `needs "` + b + `", which is no node`},
		"the nil id as a need":        {nodes(noop(uuid.Nil.String()), noop(a, uuid.Nil.String())), `needs "` + uuid.Nil.String() + `", which is no node`},
		"a node that needs itself":    {nodes(noop(a, a)), "cycle: " + a + " -> " + a},
		"a cycle behind a tail":       {nodes(noop(a, b), noop(b, c), noop(c, b)), "cycle: " + b + " -> " + c + " -> " + b},
		"no type":                     {nodes(node(a, `"name": "step"`)), "node step: type is missing"},
		"an unknown type":             {nodes(node(a, `"type": "magic"`)), `unknown type "magic": one of noop, delay, http, workflow`},
		"delay: no config":            {nodes(node(a, `"type": "delay"`)), "config.duration is missing"},
		"delay: nothing in it":        {configured("delay", `{}`), "config.duration is missing"},
		"delay: null":                 {configured("delay", `null`), "config.duration is missing"},
		"delay: an unknown field":     {configured("delay", `{"seconds": 1}`), `unknown field "seconds"`},
		"delay: no duration":          {configured("delay", `{"duration": "soon"}`), `"soon" is not a duration`},
		"delay: negative":             {configured("delay", `{"duration": "-1s"}`), "config.duration must lie between 0s and"},
		"delay: too long":             {configured("delay", `{"duration": "87601h"}`), "config.duration must lie between 0s and"},
		"delay: longer than a clock":  {configured("delay", `{"duration": "99999999h"}`), "is not a duration"},
		"http: no url":                {configured("http", `{}`), `config.url "" must be an absolute`},
		"http: no config":             {nodes(node(a, `"type": "http"`)), `config.url "" must be an absolute`},
		"http: a relative url":        {configured("http", `{"url": "/x"}`), "must be an absolute"},
		"http: a file":                {configured("http", `{"url": "file:///etc/passwd"}`), "must be an absolute"},
		"http: no host":               {configured("http", `{"url": "https://"}`), "must be an absolute"},
		"http: a broken url":          {configured("http", `{"url": "http://a b"}`), "must be an absolute"},
		"http: an unknown method":     {configured("http", `{"url": "http://a", "method": "FETCH"}`), `config.method "FETCH" must be one of`},
		"http: a small method":        {configured("http", `{"url": "http://a", "method": "post"}`), `config.method "post"`},
		"http: a negative timeout":    {configured("http", `{"url": "http://a", "timeout": "-1s"}`), "config.timeout must not be negative"},
		"http: an unknown field":      {configured("http", `{"url": "http://a", "retries": 3}`), `unknown field "retries"`},
		"http: negative attempts":     {configured("http", `{"url": "http://a", "retry": {"maximumAttempts": -1}}`), "maximumAttempts must not be negative, got -1"},
		"http: a shrinking backoff":   {configured("http", `{"url": "http://a", "retry": {"backoffCoefficient": 0.5}}`), "at least 1"},
		"http: intervals upside down": {configured("http", `{"url": "http://a", "retry": {"initialInterval": "2s", "maximumInterval": "1s"}}`), "must not be below initialInterval"},
		"workflow: no type":           {configured("workflow", `{}`), "config.workflowType is missing"},
		"workflow: an unknown field":  {configured("workflow", `{"workflowType": "A", "queue": "q"}`), `unknown field "queue"`},
		"workflow: negative timeout":  {configured("workflow", `{"workflowType": "A", "timeout": "-1s"}`), "config.timeout must not be negative"},
		"workflow: negative interval": {configured("workflow", `{"workflowType": "A", "retry": {"initialInterval": "-1s"}}`), "initialInterval must not be negative, got -1s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tt.raw))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestParseReportsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte(`{"timeout": "-1s", "nodes": [
		{"type": "magic"}, ` + node(a, `"name": "second", "type": "delay", "needs": ["`+c+`"]`) + `, ` + noop(a) + `]}`))
	require.Error(t, err)
	require.Equal(t, []string{
		"name is missing",
		"timeout must not be negative, got -1s",
		"node 1 has neither a name nor an id: give it a name",
		`node 1: unknown type "magic": one of noop, delay, http, workflow`,
		`node second: config.duration is missing, for example {"duration": "10s"}`,
		"node " + a + ": id " + a + " is used twice",
		`node second: needs "` + c + `", which is no node of this definition`,
	}, strings.Split(err.Error(), "\n"))
}

// Rows may have been written by others, and by later versions of this program.
func TestParseVersionIsLenientAboutTheFrameOnly(t *testing.T) {
	t.Parallel()
	got, err := ParseVersion([]byte(`{"owner": "ann", "nodes": [{"id": "`+a+`", "type": "noop", "colour": "red"}]}`), "from the row")
	require.NoError(t, err)
	require.Equal(t, "from the row", got.Name)
	got, err = ParseVersion([]byte(nodes(noop(a))), "from the row")
	require.NoError(t, err)
	require.Equal(t, "n", got.Name, "its own name comes first")
	for name, raw := range map[string]string{
		"a cycle": nodes(noop(a, a)), "an unknown type": nodes(node(a, `"type": "magic"`)), "no nodes": `{}`, "no JSON": `x`, "more after it": nodes(noop(a)) + "{}",
	} {
		_, err := ParseVersion([]byte(raw), "n")
		require.Error(t, err, name)
	}
}

func TestDurationsSurviveJSON(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(DelayConfig{Duration: Duration(90 * time.Second)})
	require.NoError(t, err)
	require.JSONEq(t, `{"duration": "1m30s"}`, string(raw))
	raw, err = json.Marshal(HTTPConfig{URL: "http://a"})
	require.NoError(t, err)
	require.JSONEq(t, `{"url": "http://a"}`, string(raw), "zero means default and is left out")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(nodes(noop(a), noop(b, a))))
	f.Add([]byte(nodes(noop(a, b), noop(b, a))))
	f.Add([]byte(nodes(node(a, `"type": "delay", "config": {"duration": "1s"}`))))
	f.Add([]byte(nodes(node(a, `"type": "http", "config": {"url": "http://a", "retry": {"backoffCoefficient": 2}}`))))
	f.Add([]byte(nodes(node(a, `"type": "workflow", "config": {"workflowType": "A", "input": null}`))))
	f.Add([]byte(nodes(named("a"), named("b", "a"), node(c, `"name": "c", "type": "noop", "needs": ["b", "`+c+`"]`))))
	f.Add([]byte(nodes(named(a), noop(b, a), noop(a, b))))
	f.Add([]byte(nodes(node(a, `"type": "http", "config": {"url": "http://a", "headers": {"A": "b", "C": {"secret": "D"}}, "retry": {"maximumInterval": "500ms"}}`))))
	f.Add([]byte(nodes(node(a, `"type": "workflow", "config": {"workflowType": "Execution", "taskQueue": "/_sys/x", "timeout": "2562047h"}`))))
	f.Add([]byte(nodes(node(a, `"type": "workflow", "config": {"workflowType": "A", "taskQueue": "workflow.workspace.`+b+`"}`))))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Parse(raw)
		_, versionErr := ParseVersion(raw, "n")
		if err != nil {
			return
		}
		require.NoError(t, versionErr, "what people may apply can be read back")
		for _, n := range d.Nodes {
			if n.Type != Workflow {
				continue
			}
			c, err := n.Workflow()
			require.NoError(t, err)
			require.NotContains(t, ownTypes, c.WorkflowType)
			require.NotContains(t, fixedTaskQueues, c.TaskQueue)
			if strings.HasPrefix(c.TaskQueue, workspaceQueuePrefix) {
				require.Error(t, d.CheckOwner(uuid.UUID{1}), "it is nobody's")
			}
		}
		again, err := json.Marshal(d)
		require.NoError(t, err)
		if len(again) <= MaxBytes {
			same, err := Parse(again)
			require.NoError(t, err, "what was parsed can be written and parsed again")
			for i, n := range d.Nodes {
				require.Equal(t, n.ID, same.Nodes[i].ID)
				require.Equal(t, n.Needs, same.Nodes[i].Needs)
			}
		}
	})
}
