package dashboard

import (
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/web/access"
	"sluice/schema"
	"sluice/workflows"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// site is a dashboard on a database of its own, as a browser sees it. There is no dispatcher.
type site struct {
	pool    *pgxpool.Pool
	server  *httptest.Server
	browser *http.Client
}

func setup(t testing.TB) *site {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	address, namespace := devtest.Namespace(t, workflows.SearchAttributeTypes())
	temporal, err := client.Dial(client.Options{HostPort: address, Namespace: namespace, Logger: silent{}, ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute}})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	s := &site{pool: pool}
	pages, stop := New(Config{Pool: pool, Temporal: temporal, Namespace: namespace, WebUI: "http://ui.example", Guard: access.New(access.Config{DB: pool, Loopback: true}), Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(stop)
	s.server = httptest.NewServer(pages)
	t.Cleanup(s.server.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.browser = &http.Client{Jar: jar, Transport: &http.Transport{}}
	t.Cleanup(s.browser.CloseIdleConnections)
	return s
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// get returns a page and its status.
func (s *site) get(t *testing.T, at string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+at, nil)
	require.NoError(t, err)
	return s.send(t, r)
}

// page is a page that there is.
func (s *site) page(t *testing.T, at string) string {
	t.Helper()
	status, body := s.get(t, at)
	require.Equal(t, http.StatusOK, status, "%s: %s", at, body)
	return body
}

// post sends a form as the page at from does, and returns the page that it leads to.
func (s *site) post(t *testing.T, from, to string, fields url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+to, strings.NewReader(fields.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Referer", s.server.URL+from)
	status, body := s.send(t, r)
	require.Equal(t, http.StatusOK, status, body)
	return body
}

func (s *site) send(t testing.TB, r *http.Request) (int, string) {
	t.Helper()
	response, err := s.browser.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func (s *site) ids(t testing.TB, sql string, args ...any) []uuid.UUID {
	t.Helper()
	ids, err := store.Values[uuid.UUID](t.Context(), s.pool, sql, args...)
	require.NoError(t, err)
	return ids
}

func (s *site) workspace(t *testing.T, name string) uuid.UUID {
	t.Helper()
	return s.ids(t, `INSERT INTO sluice.workspaces (name, plan) VALUES ($1, 'STARTER') RETURNING id`, name)[0]
}

// enqueue adds workflows of a type that wait.
func (s *site) enqueue(t *testing.T, workspace uuid.UUID, kind string, n int) []uuid.UUID {
	t.Helper()
	return s.ids(t, `INSERT INTO sluice.pending (id, workspace_id, workflow_type, task_queue, enqueued_by, input)
		SELECT sluice.uuid_v7(), $1, $2, 'q', 'shop', jsonb_build_object('args', jsonb_build_array($2::text)) FROM generate_series(1, $3) RETURNING id`, workspace, kind, n)
}

// end ends items that wait: with a reason without an execution.
func (s *site) end(t *testing.T, status, reason, message string, ids ...uuid.UUID) {
	t.Helper()
	s.ids(t, `WITH gone AS (DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, reason, actor, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by,
			engine_run_id, input, error, output)
		SELECT id, workspace_id, workflow_type, task_queue, $2, nullif($3, ''), CASE WHEN $3 <> '' THEN 'dispatcher' END, priority, 1, created_at, available_at, now(), now(), trigger_type, enqueued_by, 'run',
			input, jsonb_build_object('message', $4::text), jsonb_build_object('result', $4::text)
		FROM gone RETURNING id`, ids, status, reason, message)
}

var tags = regexp.MustCompile(`(?s)<script.*?</script>|<[^>]*>`)

// text is what a page says, in one line.
func text(body string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(body, " "))), " ")
}
