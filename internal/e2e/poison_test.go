package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"sluice/internal/operate"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// gateway is an HTTP/2 proxy before Temporal that answers some calls itself.
type gateway struct {
	address string
	answers atomic.Int64 // the status it answers starts with; zero: it passes them on
	grpc    atomic.Bool  // it knows gRPC, and says so in its words
	refused atomic.Int64
}

func newGateway(t *testing.T, target string) *gateway {
	t.Helper()
	g := &gateway{}
	unencrypted := &http.Protocols{}
	unencrypted.SetUnencryptedHTTP2(true)
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: target}) },
		Transport:     &http.Transport{Protocols: unencrypted},
		FlushInterval: -1,
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := int(g.answers.Load())
		if status == 0 || !strings.HasSuffix(r.URL.Path, "/StartWorkflowExecution") {
			proxy.ServeHTTP(w, r)
			return
		}
		g.refused.Add(1)
		if g.grpc.Load() {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", map[int]string{404: "12", 400: "13"}[status])
			w.Header().Set("Grpc-Message", "no route")
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html>no such page</html>"))
	}))
	server.Config.Protocols = unencrypted
	server.Start()
	t.Cleanup(server.CloseClientConnections)
	g.address = strings.TrimPrefix(server.URL, "http://")
	return g
}

func TestAnAnswerOfAProxySaysNothingAboutAnItem(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int64{"a page, 404": 404, "a page, 400": 400, "a page, 403": 403, "gRPC, 404": 404, "gRPC, 400": 400} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			g := newGateway(t, s.address)
			c, err := dial(g.address, s.namespace, nil)
			require.NoError(t, err)
			t.Cleanup(c.Close)
			g.grpc.Store(strings.HasPrefix(name, "gRPC"))
			g.answers.Store(status)
			ws := s.workspace("PRO")
			def := s.definition(ws.ID, node{kind: "noop"})
			var ids []uuid.UUID
			for range 20 {
				ids = append(ids, s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}))
			}
			s.host(func(config *host.Config) { config.Client = c })
			_, err = operate.Start(s.ctx, s.client, s.namespace, s.pool, workflows.State{}) // Recovery's and the dispatcher's own start go past it
			require.NoError(t, err)
			require.Eventually(t, func() bool { return g.refused.Load() > 20 }, patience, 10*time.Millisecond)
			require.Equal(t, 20, s.count(`SELECT count(*) FROM sluice.queue_items WHERE status IN ('PENDING', 'CLAIMED') AND attempt_count = 0`))
			s.awaitCount(1, `SELECT least(count(*), 1) FROM sluice.queue_items WHERE status = 'CLAIMED' AND error <> ''`)
			g.answers.Store(0)
			back := time.Now()
			s.completedOnce(ids)
			t.Logf("all done %s after the proxy let them through", time.Since(back).Round(100*time.Millisecond))
		})
	}
}

// A name that has slipped past every border: Temporal refuses it as the value of a search attribute.
func TestAnItemThatTemporalRefusesEndsAloneWithItsReason(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	a, b := s.workspace("ENTERPRISE"), s.workspace("FREE")
	long := s.definition(a.ID, node{kind: "noop"})
	fine := s.definition(a.ID, node{kind: "noop"})
	others := s.definition(b.ID, node{kind: "noop"})
	for _, sql := range []string{
		`ALTER TABLE sluice.workflow_definitions DROP CONSTRAINT IF EXISTS workflow_definitions_named`,
		`ALTER TABLE sluice.workflow_definition_versions DROP CONSTRAINT IF EXISTS workflow_definition_versions_bounded, DISABLE TRIGGER USER`,
		`UPDATE sluice.workflow_definitions SET name = repeat('x', 2100) WHERE id = '` + long.ID.String() + `'`,
		`UPDATE sluice.workflow_definition_versions SET workflow = workflow || jsonb_build_object('name', repeat('x', 2100)) WHERE workflow_definition_id = '` + long.ID.String() + `'`,
	} {
		_, err := s.pool.Exec(s.ctx, sql)
		require.NoError(t, err)
	}
	var bad, good []uuid.UUID
	for range 40 {
		bad = append(bad, s.enqueue(queue.Item{WorkspaceID: a.ID, DefinitionID: long.ID}))
	}
	good = append(good, s.enqueue(queue.Item{WorkspaceID: a.ID, DefinitionID: fine.ID}), s.enqueue(queue.Item{WorkspaceID: b.ID, DefinitionID: others.ID}))
	s.run()
	for _, id := range good {
		s.await(id, workflows.StatusCompleted)
	}
	for _, id := range bad {
		require.NotEmpty(t, *s.await(id, "FAILED").Error)
	}
	require.Zero(t, s.count(`SELECT count(*) FROM sluice.running`))
}

// Whatever Temporal says of them makes no sense, again and again.
func TestItemsWhoseStartsMakeNoSenseDelayNoOther(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	a, b := s.workspace("ENTERPRISE"), s.workspace("PRO")
	ofA, ofB := s.definition(a.ID, node{kind: "noop"}), s.definition(b.ID, node{kind: "noop"})
	bad := map[string]bool{}
	var ids []uuid.UUID
	for range 40 {
		id := s.enqueue(queue.Item{WorkspaceID: a.ID, DefinitionID: ofA.ID})
		ids, bad[workflows.ExecutionID(id)] = append(ids, id), true
	}
	var allowed atomic.Bool
	s.runMeddled(func(ctx context.Context, at step, do func(context.Context) (any, error)) (any, error) {
		if at.name == stepStart && bad[at.workflow] && !allowed.Load() {
			return nil, serviceerror.NewInternal("what is this")
		}
		return do(ctx)
	})
	s.awaitCount(40, `SELECT count(*) FROM sluice.queue_items WHERE status = 'CLAIMED' AND error LIKE '%what is this%'`)
	var good []uuid.UUID
	for range 10 { // one after the other, of both
		for _, i := range []queue.Item{{WorkspaceID: a.ID, DefinitionID: ofA.ID}, {WorkspaceID: b.ID, DefinitionID: ofB.ID}} {
			id := s.enqueue(i)
			item := s.await(id, workflows.StatusCompleted)
			require.Less(t, item.DispatchedAt.Sub(item.CreatedAt), 30*time.Second)
			good = append(good, id)
		}
	}
	require.Equal(t, 40, s.count(`SELECT count(*) FROM sluice.running WHERE start_error_since < now() AND dispatched_at IS NULL AND attempt_count = 0`))
	allowed.Store(true)
	let := time.Now()
	s.awaitCount(len(good)+len(ids), `SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
	require.Less(t, time.Since(let), time.Minute, "those that wait longest are due again, and the others follow at once")
	s.completedOnce(append(good, ids...))
}

// Somebody has put an item in again that is over.
func TestAnItemThatHasEndedDoesNotRunAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})
	s.run()
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	s.await(id, workflows.StatusCompleted)
	_, err := s.pool.Exec(s.ctx, `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, input) VALUES ($1, $2, $3, 'hand', '{}')`, id, ws.ID, def.ID)
	require.NoError(t, err)
	s.await(s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}), workflows.StatusCompleted)
	s.awaitCount(1, `SELECT count(*) FROM sluice.activity WHERE queue_id = $1 AND action = 'dropped' AND reason = 'duplicate'`, id)
	s.awaitCount(0, `SELECT count(*) FROM sluice.running`)
	require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.queue_items WHERE id = $1`, id))
	require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.executions WHERE id = $1 AND status = 'COMPLETED'`, id))
}
