package activities

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"sluice/internal/definition"
	"sluice/internal/outbound"
	"sluice/workflows"
)

// echo serves what it was sent.
func echo(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Authorization")
		switch r.URL.Path {
		case "/json":
			_ = json.NewEncoder(w).Encode(map[string]string{"key": key})
		case "/bad":
			http.Error(w, "no such key: "+key, http.StatusForbidden)
		case "/down":
			http.Error(w, "no such key: "+key, http.StatusBadGateway)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", maxResponseBytes-3)+key)
		case "/broken": // the client quotes what it cannot understand
			connection, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = connection.Write([]byte(key + " is no answer\r\n\r\n"))
				_ = connection.Close()
			}
		case "/redirect":
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// wrapped is all that Temporal keeps of an error: it, and what it wraps.
func wrapped(err error) string {
	var all []string
	for ; err != nil; err = errors.Unwrap(err) {
		all = append(all, err.Error())
	}
	return strings.Join(all, "\n")
}

func (a *Activities) allow(t *testing.T, workspace uuid.UUID, hosts ...string) {
	t.Helper()
	_, err := a.pool.Exec(t.Context(), `UPDATE sluice.workspaces SET allowed_hosts = $2 WHERE id = $1`, workspace, hosts)
	require.NoError(t, err)
}

func TestASecretIsSentAndNeverShown(t *testing.T) {
	t.Parallel()
	server, dir := echo(t), t.TempDir()
	a := New(Config{Pool: database(t), Outbound: outbound.Config{AllowPrivate: true}, SecretsDir: dir})
	t.Cleanup(a.Wait)
	id, workspace := hold(t, a)
	other, _ := hold(t, a)
	require.NoError(t, os.Mkdir(filepath.Join(dir, workspace.String()), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, workspace.String(), "KEY"), []byte("Bearer s3cret-t0ken\n"), 0o600))
	call := func(of uuid.UUID, path string) (workflows.HTTPResponse, error) {
		return callAs(t, a, workflows.ExecutionID(of), workflows.HTTPRequest{Method: "GET", URL: server.URL + path,
			Headers: map[string]definition.Header{"Authorization": {Secret: "KEY"}}})
	}
	got, err := call(id, "/json")
	require.NoError(t, err)
	require.JSONEq(t, `{"key": "[secret KEY]"}`, string(got.Body), "it was sent, and what comes back is not kept")
	got, err = call(id, "/long")
	require.NoError(t, err)
	require.True(t, got.Truncated)
	require.NotContains(t, string(got.Body), "Bea")
	for path, want := range map[string]string{"/bad": "answered 403 Forbidden: no such key: [secret KEY]", "/down": "answered 502 Bad Gateway: no such key: [secret KEY]", "/broken": "[secret KEY]"} {
		_, err = call(id, path)
		require.ErrorContains(t, err, want)
		require.NotContains(t, wrapped(err), "s3cret")
		require.Equal(t, path == "/bad", isFinal(err))
	}
	_, err = call(other, "/json")
	require.ErrorContains(t, err, "the worker has no secret KEY for this workspace", "it is the other workspace's")
	require.True(t, isFinal(err))
}

func TestWhatAWorkspaceMayNotReachIsRefused(t *testing.T) {
	t.Parallel()
	server, reached := echo(t), httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(reached.Close)
	hostOf := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	a := New(Config{Pool: database(t), Outbound: outbound.Config{Allow: []netip.AddrPort{netip.MustParseAddrPort(hostOf(server))}}})
	t.Cleanup(a.Wait)
	id, workspace := hold(t, a)
	call := func(url string) error {
		_, err := callAs(t, a, workflows.ExecutionID(id), workflows.HTTPRequest{Method: "GET", URL: url})
		return err
	}
	refused := func(url, want string) {
		t.Helper()
		err := call(url)
		require.ErrorContains(t, err, want)
		require.True(t, isFinal(err), "no attempt will mend it")
		require.NotContains(t, err.Error(), "pa55")
	}
	require.NoError(t, call(server.URL+"/json"))
	refused("http://me:pa55@"+hostOf(reached), "call http://me:xxxxx@"+hostOf(reached)+": http nodes may not reach loopback addresses: an operator can allow")
	refused(server.URL+"/redirect?to="+reached.URL, "may not reach loopback addresses")
	refused("http://169.254.169.254/latest/meta-data", "may not reach link-local addresses")
	refused("ftp://a.example", "http nodes call http and https addresses, not ftp:")

	a.allow(t, workspace, "a.example", "*.b.example")
	refused(server.URL+"/json", "host "+hostOf(server)+" is none of those that this workspace may call")
	a.allow(t, workspace, "127.0.0.1")
	require.NoError(t, call(server.URL+"/json"), "a change holds from the next call on")
	refused(server.URL+"/redirect?to="+"http://localhost/", "host localhost is none of those")
	refused("http://2130706433/", "is none of those")
	_, err := a.pool.Exec(t.Context(), `UPDATE sluice.workspaces SET allowed_hosts = NULL`)
	require.NoError(t, err)
	require.NoError(t, call(server.URL+"/json"))
}

// Whose a call is, is not what it says: a workflow that is no execution has no workspace, and so no secrets and no hosts.
func TestOnlyExecutionsCall(t *testing.T) {
	t.Parallel()
	server := echo(t)
	f := &frontend{}
	a := New(Config{Pool: database(t), Client: f.dial(t), Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	id, _ := hold(t, a)
	f.has(workflows.ExecutionID(id), testRun, "first", enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil, nil)
	for workflowID, want := range map[string]string{
		"by-hand": "is no execution", workflows.ExecutionID(id) + "/" + uuid.NewString(): "is no execution", strings.ToUpper(workflows.ExecutionID(id)): "is no execution",
		workflows.ExecutionID(uuid.New()): "no execution",
	} {
		_, err := callAs(t, a, workflowID, workflows.HTTPRequest{Method: "GET", URL: server.URL + "/json"})
		require.ErrorContains(t, err, want, workflowID)
		require.True(t, isFinal(err))
	}
	for _, move := range []string{
		`INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
			SELECT id, workspace_id, workflow_definition_id, 'COMPLETED', 3, 0, now(), now(), now(), 'X', 'ann' FROM sluice.running`,
		`DELETE FROM sluice.running`,
	} {
		_, err := a.pool.Exec(t.Context(), move)
		require.NoError(t, err)
		_, err = callAs(t, a, workflows.ExecutionID(id), workflows.HTTPRequest{Method: "GET", URL: server.URL + "/json"})
		require.NoError(t, err, fmt.Sprint("a workflow that was reset runs on, ", move))
	}
}

// A child's id is its parent's to choose, and may be that of an execution that waits, runs or has ended.
func TestAChildOfAnExecutionsIDCallsNothing(t *testing.T) {
	t.Parallel()
	server, f := echo(t), &frontend{}
	a := New(Config{Pool: database(t), Client: f.dial(t), Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	id, _ := hold(t, a)
	f.has(workflows.ExecutionID(id), testRun, testRun, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, ofItem(id), ofItem(id))
	f.runs[0].info.ParentExecution = &commonpb.WorkflowExecution{WorkflowId: "theirs"}
	call := workflows.HTTPRequest{Method: "GET", URL: server.URL + "/json"}
	_, err := callOf(t, a, "Theirs", workflows.ExecutionID(id), call)
	require.ErrorContains(t, err, "of type Theirs is no execution")
	for _, run := range []any{"another run", nil} {
		_, err = a.pool.Exec(t.Context(), `UPDATE sluice.running SET engine_run_id = $1`, run)
		require.NoError(t, err)
		_, err = callAs(t, a, workflows.ExecutionID(id), call)
		require.ErrorContains(t, err, "as a child of theirs")
		require.True(t, isFinal(err))
	}
	f.runs[0].info.ParentExecution = nil
	_, err = callAs(t, a, workflows.ExecutionID(id), call)
	require.NoError(t, err, "its start is not settled yet")
	_, err = a.pool.Exec(t.Context(), `DELETE FROM sluice.running`)
	require.NoError(t, err)
	_, err = a.pool.Exec(t.Context(), `INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, request, priority, attempt_count, turn, created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
		SELECT $1, id, 'Theirs', 'theirs', '', 3, 0, 1, now(), now(), now(), 'X', 'ann', '{}' FROM sluice.workspaces LIMIT 1`, id)
	require.NoError(t, err)
	_, err = callAs(t, a, workflows.ExecutionID(id), call)
	require.ErrorContains(t, err, "no execution "+id.String()+" of a definition")
}
