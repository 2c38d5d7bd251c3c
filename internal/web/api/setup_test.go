package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"sluice/admin"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/web/access"
	"sluice/internal/web/api"
	"sluice/queue"
	"sluice/schema"
	"sluice/workflows"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is the API on a database with one workspace and one definition, on loopback and still without tokens.
type bundle struct {
	t          testing.TB
	pool       *pgxpool.Pool
	temporal   client.Client
	office     *admin.Client
	queue      *queue.Client
	workspace  uuid.UUID
	definition uuid.UUID
	url        string
	namespace  string
	logged     *logs
	api        *api.API
	stop       func()
}

// logs is what was logged.
type logs struct {
	sync.Mutex
	bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

func (l *logs) text() string {
	l.Lock()
	defer l.Unlock()
	return l.String()
}

func setup(t testing.TB) *bundle {
	t.Helper()
	temporal, namespace := dialTemporal(t)
	return setupWith(t, temporal, namespace)
}

// dialTemporal returns a client for a namespace of its own.
func dialTemporal(t testing.TB) (temporal client.Client, namespace string) {
	t.Helper()
	address, namespace := devtest.Namespace(t, workflows.SearchAttributeTypes())
	temporal, err := client.DialContext(t.Context(), client.Options{
		HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute},
	})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	return temporal, namespace
}

// setupWith is setup with a database of its own only.
func setupWith(t testing.TB, temporal client.Client, namespace string) *bundle {
	t.Helper()
	b := &bundle{t: t, temporal: temporal, namespace: namespace, logged: &logs{}}
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b.pool, b.office, b.queue = pool, admin.New(pool), queue.New(pool)
	b.workspace, b.definition = b.newWorkspace("acme")
	b.serve(pool)
	return b
}

// serve has an API on this pool answer from now on.
func (b *bundle) serve(pool *pgxpool.Pool) {
	b.t.Helper()
	handler, err := api.New(api.Config{
		Pool: pool, Temporal: b.temporal, Guard: access.New(access.Config{DB: pool, Loopback: true}), Log: slog.New(slog.NewTextHandler(b.logged, nil)),
	})
	require.NoError(b.t, err)
	b.api, b.stop = handler, handler.Stop
	server := httptest.NewServer(handler)
	b.t.Cleanup(server.Close)
	b.url = server.URL
}

// newWorkspace creates a workspace on plan PRO with one definition.
func (b *bundle) newWorkspace(name string) (workspace, definition uuid.UUID) {
	b.t.Helper()
	w, err := b.office.CreateWorkspace(b.t.Context(), name, "PRO", "ann")
	require.NoError(b.t, err)
	d, err := b.office.ApplyDefinition(b.t.Context(), w.ID, []byte(`{"name": "greet of `+name+`", "nodes": [{"name": "first", "type": "noop"}]}`), "ann")
	require.NoError(b.t, err)
	return w.ID, d.ID
}

func (b *bundle) token(role string, workspace uuid.UUID, payloads bool) string {
	b.t.Helper()
	_, secret, err := b.office.CreateToken(b.t.Context(), admin.NewToken{Name: role, Role: role, WorkspaceID: workspace, Payloads: payloads}, "ann")
	require.NoError(b.t, err)
	return secret
}

// reply is an answer of the API.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	raw    []byte
}

// send sends a request. A body that is no string or bytes is sent as JSON; headers are pairs.
func (b *bundle) send(secret, method, path string, body any, headers ...string) reply {
	b.t.Helper()
	var sent io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		sent = bytes.NewReader([]byte(body))
	case []byte:
		sent = bytes.NewReader(body)
	default:
		raw, err := json.Marshal(body)
		require.NoError(b.t, err)
		sent = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, sent)
	require.NoError(b.t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(b.t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	out := reply{b.t, response.StatusCode, response.Header, raw}
	b.compare(r, sent, out)
	return out
}

// object says that an answer has this status, and returns it.
func (r reply) object(status int) map[string]any {
	r.t.Helper()
	require.Equal(r.t, status, r.status, string(r.raw))
	var value map[string]any
	require.NoError(r.t, json.Unmarshal(r.raw, &value), string(r.raw))
	return value
}

// problem says that an answer is a problem of this status and code.
func (r reply) problem(status int, code string) map[string]any {
	r.t.Helper()
	value := r.object(status)
	require.Equal(r.t, "application/problem+json", r.header.Get("Content-Type"))
	require.Equal(r.t, code, value["code"], string(r.raw))
	require.EqualValues(r.t, status, value["status"])
	return value
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.pool.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}
