package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"sluice/admin"
	"sluice/internal/devstack/devtest"
	"sluice/internal/dispatch"
	"sluice/internal/operate"
	"sluice/internal/pairing"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/schema"
	"sluice/worker/host"
	"sluice/workflows"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(workerVariable); config != "" {
		workerProcess(config) // see crash_process_test.go
	}
	// They wait most of the time, for timeouts that notice a death: more at once than there are processors. Five instead
	// of two take 163 s instead of 244.
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", strconv.Itoa(max(5, runtime.GOMAXPROCS(0))))
	}
	devtest.Main(m)
}

// stack is a database and a namespace of its own, with a worker process in them.
type stack struct {
	t         *testing.T
	ctx       context.Context
	queue     *queue.Client
	admin     *admin.Client
	pool      *pgxpool.Pool
	client    client.Client
	url       string // of the database
	address   string // of Temporal
	namespace string
	callbacks net.Listener // where the next host takes callbacks; nil: nowhere
}

const patience = 3 * time.Minute // for a busy machine; what goes well does not wait

// slowly lets a busy server take its time for the first answer to a client.
var slowly = client.ConnectionOptions{GetSystemInfoTimeout: patience}

// newStack starts no dispatcher and no worker. Its database and its namespace belong together, as after a starter start: a worker
// polls nothing before.
func newStack(t *testing.T) *stack {
	t.Helper()
	return newStackOn(t, host.Install)
}

// newStackOn is newStack with a client that has something else installed.
func newStackOn(t *testing.T, install func(*client.Options)) *stack {
	t.Helper()
	ctx := context.Background()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	address, namespace := devtest.Namespace(t, workflows.SearchAttributeTypes())
	options := client.Options{HostPort: address, Namespace: namespace, Identity: "sluice-test",
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), ConnectionOptions: slowly}
	install(&options)
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	pool, err := store.Open(ctx, url, 20)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pairing.Pair(ctx, c, namespace, pool)
	require.NoError(t, err)
	return &stack{t: t, ctx: ctx, queue: queue.New(pool), admin: admin.New(pool), pool: pool, client: c, url: url, address: address, namespace: namespace}
}

// host runs a worker process until the returned function is called, or to the end of the test.
func (s *stack) host(change func(*host.Config)) (stop func()) {
	s.t.Helper()
	config := host.Config{Client: s.client, Pool: s.pool, Logger: slog.New(slog.DiscardHandler), PollInterval: 100 * time.Millisecond,
		AllowPrivateAddresses: true} // the tests serve what http nodes call
	if change != nil {
		change(&config)
	}
	h, err := host.New(config)
	require.NoError(s.t, err)
	if s.callbacks != nil {
		server := &http.Server{Handler: h.Callbacks()}
		go func() { _ = server.Serve(s.callbacks) }()
		s.t.Cleanup(func() { _ = server.Close() })
	}
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	require.Eventually(s.t, func() bool { return h.Ready() == nil }, patience, 10*time.Millisecond)
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(s.t, <-done)
		}
	}
	s.t.Cleanup(stop)
	return stop
}

// run starts a worker process and the dispatcher.
func (s *stack) run() {
	s.t.Helper()
	s.host(nil)
	s.dispatch(workflows.State{})
}

func (s *stack) dispatch(state workflows.State) {
	s.t.Helper()
	_, err := operate.Start(s.ctx, s.client, s.namespace, s.pool, state)
	require.NoError(s.t, err)
}

func (s *stack) workspace(plan string) admin.Workspace {
	s.t.Helper()
	w, err := s.admin.CreateWorkspace(s.ctx, "acme "+uuid.NewString()[:8], plan, "test")
	require.NoError(s.t, err)
	return w
}

// tier makes a plan of its own with this limit.
func (s *stack) tier(limit int) string {
	s.t.Helper()
	plan := "T" + strings.ToUpper(strings.ReplaceAll(uuid.NewString()[:8], "-", ""))
	_, err := s.admin.SetTier(s.ctx, plan, admin.TierChange{MaxConcurrentWorkflows: &limit}, "test")
	require.NoError(s.t, err)
	return plan
}

// node is one node of a definition under test; needs are indexes of nodes.
type node struct {
	kind   string
	config string
	needs  []int
}

func (s *stack) definition(workspace uuid.UUID, nodes ...node) admin.Definition {
	s.t.Helper()
	ids := make([]uuid.UUID, len(nodes))
	for i := range ids {
		ids[i] = uuid.New()
	}
	list := make([]map[string]any, len(nodes))
	for i, n := range nodes {
		list[i] = map[string]any{"id": ids[i], "name": fmt.Sprintf("%s-%d", n.kind, i), "type": n.kind}
		if n.config != "" {
			list[i]["config"] = json.RawMessage(n.config)
		}
		for _, need := range n.needs {
			needs, _ := list[i]["needs"].([]uuid.UUID)
			list[i]["needs"] = append(needs, ids[need])
		}
	}
	raw, err := json.Marshal(map[string]any{"name": "flow-" + uuid.NewString()[:8], "nodes": list})
	require.NoError(s.t, err)
	d, err := s.admin.ApplyDefinition(s.ctx, workspace, raw, "test")
	require.NoError(s.t, err)
	return d
}

func (s *stack) enqueue(item queue.Item) uuid.UUID {
	s.t.Helper()
	answer, err := s.queue.Enqueue(s.ctx, item)
	require.NoError(s.t, err)
	return answer.QueueID
}

// eventually is require.Eventually, but looks more seldom the longer it lasts: what waits for half a minute beside other tests must
// not keep the database busy.
func (s *stack) eventually(condition func() bool, patience time.Duration, message ...any) {
	s.t.Helper()
	for began := time.Now(); !condition(); {
		waited := time.Since(began)
		if waited > patience {
			require.Fail(s.t, "condition never satisfied", message...)
		}
		time.Sleep(min(max(waited/20, 10*time.Millisecond), 250*time.Millisecond))
	}
}

// await waits until the item's status, or that of its execution, is the wanted one.
func (s *stack) await(id uuid.UUID, want string) queue.State {
	s.t.Helper()
	var item queue.State
	s.eventually(func() bool {
		var err error
		item, err = s.queue.Get(s.ctx, id)
		return err == nil && (item.Status == want || item.ExecutionStatus != nil && *item.ExecutionStatus == want)
	}, patience, "item %s never became %s", id, want)
	return item
}

// count runs a query that returns one number.
func (s *stack) count(sql string, args ...any) int {
	s.t.Helper()
	var n int
	require.NoError(s.t, s.pool.QueryRow(s.ctx, sql, args...).Scan(&n))
	return n
}

func (s *stack) awaitCount(want int, sql string, args ...any) {
	s.t.Helper()
	var got int
	s.eventually(func() bool {
		got = s.count(sql, args...)
		return got == want
	}, patience, "%s: want %d", sql, want)
}

// takeovers is how often the dispatcher's shard was taken over.
const takeovers = `SELECT count(*) FROM sluice.turns WHERE kind = 'run' AND shard = 0`

// awaitWaiting waits until the dispatchers of so many shards wait for work, outside of their workflow tasks.
func (s *stack) awaitWaiting(shards int) {
	s.t.Helper()
	for shard := range shards {
		s.eventually(func() bool {
			status, err := operate.StatusOf(s.ctx, s.client, shard)
			return err == nil && status.Phase == workflows.PhaseWaiting
		}, patience, "the dispatcher of shard %d never waits", shard)
	}
}

// claimAs claims what can be claimed as a run of a shard's dispatcher that then dies. It returns the run and its engine.
func (s *stack) claimAs(shard int, runID string) (run int64, engine *dispatch.Engine) {
	s.t.Helper()
	run, err := store.TakeOver(s.ctx, s.pool, shard, runID, 0)
	require.NoError(s.t, err)
	engine = dispatch.New(s.pool).Of(shard)
	outlook, err := engine.Plan(s.ctx, run, 100)
	require.NoError(s.t, err)
	claimed, err := engine.Claim(s.ctx, run)
	require.NoError(s.t, err)
	require.Equal(s.t, outlook.Items, claimed.New)
	require.Positive(s.t, claimed.New)
	return run, engine
}

// audit says that no invariant is broken. What is on its way for longer than the grace, on a busy machine, is there at another look;
// what is broken stays.
func (s *stack) audit() {
	s.t.Helper()
	for began := time.Now(); ; {
		report, err := operate.Audit(s.ctx, s.pool, func(context.Context) (client.Client, error) { return s.client, nil },
			operate.AuditOptions{Grace: 2 * time.Second})
		require.NoError(s.t, err)
		if report.Violations() > 0 && time.Since(began) < 30*time.Second {
			continue
		}
		require.True(s.t, report.Complete(), "could not check all")
		for _, f := range report.Findings {
			require.Zero(s.t, f.Violations, "%s: %v", f.Name, f.Offenders)
		}
		return
	}
}

// peak is the most slots the workspace ever held at once, from the recorded intervals.
func (s *stack) peak(workspace uuid.UUID) int {
	s.t.Helper()
	return s.count(`
		SELECT coalesce(max(held), 0) FROM (
			SELECT sum(change) OVER (ORDER BY at, change) AS held FROM (
				SELECT claimed_at AS at, 1 AS change FROM sluice.running WHERE workspace_id = $1
				UNION ALL
				SELECT at, change FROM sluice.ended CROSS JOIN LATERAL (VALUES (claimed_at, 1), (ended_at, -1)) AS held (at, change)
				WHERE workspace_id = $1 AND claimed_at IS NOT NULL
			) AS changes) AS history`, workspace)
}
