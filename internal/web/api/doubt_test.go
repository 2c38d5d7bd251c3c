package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/chaos/cluster"
	"sluice/internal/store"
)

// behindProxy has an API answer that reaches Postgres through a proxy.
func (b *bundle) behindProxy(maxConns int32) (*cluster.Proxy, *pgxpool.Pool) {
	b.t.Helper()
	target, err := url.Parse(b.pool.Config().ConnString())
	require.NoError(b.t, err)
	proxy, err := cluster.NewProxy(target.Host)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, proxy.Close()) })
	target.Host = proxy.Address
	pool, err := store.Open(b.t.Context(), target.String(), maxConns)
	require.NoError(b.t, err)
	b.t.Cleanup(pool.Close)
	b.serve(pool)
	return proxy, pool
}

// hold keeps enqueues from ending until they are let go: their statements wait, whatever else they have done.
func (b *bundle) hold() (letGo func()) {
	b.t.Helper()
	b.exec(`CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM pg_advisory_xact_lock_shared(7);
		RETURN NULL;
	END $$`)
	b.exec(`CREATE TRIGGER hold AFTER INSERT ON sluice.pending FOR EACH STATEMENT EXECUTE FUNCTION public.hold()`)
	lock, err := b.pool.Acquire(b.t.Context())
	require.NoError(b.t, err)
	_, err = lock.Exec(b.t.Context(), `SELECT pg_advisory_lock(7)`)
	require.NoError(b.t, err)
	letGo = sync.OnceFunc(func() {
		_ = lock.Conn().Close(b.t.Context()) // with its lock
		lock.Release()
	})
	b.t.Cleanup(letGo)
	return letGo
}

// enqueuing is a request that enqueues items.
type enqueuing struct {
	path     string
	body     object
	key      string // the header
	items    int
	doubtful bool // it must not be sent again
}

func (b *bundle) enqueuings() map[string]enqueuing {
	of := func(more object) object {
		item := object{"workflow": object{"type": "T"}}
		for name, value := range more {
			item[name] = value
		}
		return item
	}
	const one, many = "/api/v1/items", "/api/v1/items/bulk"
	plain := object{"definition": b.definition.String()}
	return map[string]enqueuing{
		"a definition":                 {one, plain, "", 1, true},
		"a workflow":                   {one, of(nil), "", 1, true},
		"a key":                        {one, of(object{"uniqueKey": "a"}), "", 1, false},
		"a key in the header":          {one, of(nil), "b", 1, false},
		"a key for a day":              {one, of(object{"uniqueKey": "c", "uniqueFor": "1d"}), "", 1, false},
		"a key until the end":          {one, of(object{"uniqueKey": "d", "uniqueFor": "0"}), "", 1, true},
		"many":                         {many, object{"items": []object{plain, plain}}, "", 2, true},
		"many, of which one has a key": {many, object{"items": []object{plain, of(object{"uniqueKey": "e"})}}, "", 2, true},
		"many with keys":               {many, object{"items": []object{of(object{"uniqueKey": "f"}), of(object{"uniqueKey": "g"})}}, "", 2, false},
	}
}

// However the answer of Postgres to an enqueue is lost: who would enqueue twice by trying again is not told to.
func TestAnEnqueueWhoseAnswerIsLostIsInDoubt(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct {
		code string // of what can be sent again
		lose func(t *testing.T, b *bundle, proxy *cluster.Proxy, letGo func())
		all  bool // all items are in the queue then
	}{
		"half-open": {"unavailable", func(t *testing.T, _ *bundle, proxy *cluster.Proxy, letGo func()) {
			require.Positive(t, proxy.Swallow(nil))
			letGo()
		}, true},
		"reset": {"unavailable", func(_ *testing.T, _ *bundle, proxy *cluster.Proxy, _ func()) { proxy.Cut() }, false},
		"ended": {"unavailable", func(_ *testing.T, b *bundle, _ *cluster.Proxy, _ func()) {
			b.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`)
		}, false},
		"stopped": {"starting", func(_ *testing.T, b *bundle, _ *cluster.Proxy, letGo func()) {
			b.stop()
			letGo()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			requests := b.enqueuings()
			proxy, _ := b.behindProxy(int32(len(requests)) + 2)
			secret := b.token(admin.RoleWorkspace, b.workspace, true)
			b.send(secret, http.MethodGet, "/api/v1/items", nil).object(http.StatusOK)
			letGo := b.hold()
			var mu sync.Mutex
			var under sync.WaitGroup
			replies, items := map[string]reply{}, 0
			for what, r := range requests {
				items += r.items
				under.Go(func() {
					var headers []string
					if r.key != "" {
						headers = []string{"Idempotency-Key", r.key}
					}
					got := b.send(secret, http.MethodPost, r.path, r.body, headers...)
					mu.Lock()
					defer mu.Unlock()
					replies[what] = got
				})
			}
			require.Eventually(t, func() bool {
				var n int
				err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`).Scan(&n)
				return err == nil && n == len(requests)
			}, time.Minute, 10*time.Millisecond)
			way.lose(t, b, proxy, letGo)
			under.Wait()
			for what, r := range requests {
				t.Run(what, func(t *testing.T) {
					got, ok := replies[what]
					require.True(t, ok, "no answer")
					got.t = t
					if !r.doubtful {
						got.problem(http.StatusServiceUnavailable, way.code)
						require.Equal(t, "1", got.header.Get("Retry-After"))
						return
					}
					p := got.problem(http.StatusServiceUnavailable, "doubtful")
					require.Empty(t, got.header.Get("Retry-After"))
					require.NotContains(t, fmt.Sprint(p), "127.0.0.1", "nothing of the inside is told")
				})
			}
			if !way.all {
				return
			}
			require.Eventually(t, func() bool {
				var waiting int
				err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`).Scan(&waiting)
				return err == nil && waiting == 0
			}, time.Minute, 10*time.Millisecond)
			var pending int
			require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT count(*) FROM sluice.pending`).Scan(&pending))
			require.Equal(t, items, pending, "each once")
		})
	}
}

// What was never sent can be sent again.
func TestAnEnqueueThatPostgresWasNotSentIsInNoDoubt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	proxy, pool := b.behindProxy(4)
	secret := b.token(admin.RoleWorkspace, b.workspace, true)
	b.send(secret, http.MethodGet, "/api/v1/items", nil).object(http.StatusOK) // so that the token is known
	proxy.Cut()
	pool.Reset()
	for what, r := range b.enqueuings() {
		var headers []string
		if r.key != "" {
			headers = []string{"Idempotency-Key", r.key}
		}
		got := b.send(secret, http.MethodPost, r.path, r.body, headers...)
		got.problem(http.StatusServiceUnavailable, "unavailable")
		require.Equal(t, "1", got.header.Get("Retry-After"), what)
	}
	proxy.Heal()
	b.send(secret, http.MethodPost, "/api/v1/items", object{"definition": b.definition.String(), "priority": 9}).problem(http.StatusUnprocessableEntity, "invalid")
	b.send(secret, http.MethodPost, "/api/v1/items", object{"definition": b.workspace.String()}).problem(http.StatusNotFound, "unknown-definition")
}
