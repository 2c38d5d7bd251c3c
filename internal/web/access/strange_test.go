package access_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/store"
	"sluice/internal/web/access"
)

// gate is a database that keeps looks waiting while it is shut.
type gate struct {
	store.DB
	mu      sync.Mutex
	waiting int
	shut    chan struct{} // nil: it is open
}

func (g *gate) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	g.mu.Lock()
	shut := g.shut
	g.waiting++
	g.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.DB.Query(ctx, sql, args...)
}

// close shuts it, and returns what opens it.
func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shut := make(chan struct{})
	g.shut, g.waiting = shut, 0
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.shut = nil
		close(shut)
	}
}

func (g *gate) looks() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}

func TestTokensThatAreMadeUpLeaveTheDatabaseToOthers(t *testing.T) {
	t.Parallel()
	pool := database(t)
	office := admin.New(pool)
	created, secret, err := office.CreateToken(t.Context(), admin.NewToken{Name: "known", Role: admin.RoleOperatorRead}, "ann")
	require.NoError(t, err)
	db := &gate{DB: pool}
	g := access.New(access.Config{DB: db, Loopback: true})
	ask := func(ctx context.Context, secret string) <-chan error {
		answer := make(chan error, 1)
		go func() {
			_, err := g.Caller(ctx, request(t, secret))
			answer <- err
		}()
		return answer
	}
	awaitLooks := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool { return db.looks() == n }, 30*time.Second, time.Millisecond)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	require.NoError(t, <-ask(t.Context(), secret))

	open := db.close()
	var strangers []<-chan error
	for n := range 20 {
		strangers = append(strangers, ask(t.Context(), "sluice_"+strings.Repeat(string(rune('a'+n)), 43)))
	}
	awaitLooks(access.MostStrange)
	require.Equal(t, "too-many", code(t, <-ask(gone, "sluice_"+strings.Repeat("z", 43))))
	g.Age()
	known := ask(t.Context(), secret)
	awaitLooks(access.MostStrange + 1) // one that was found before is looked for again all the same
	open()
	require.NoError(t, <-known)
	for _, stranger := range strangers {
		require.Equal(t, "unknown-token", code(t, <-stranger))
	}

	_, err = office.RevokeToken(t.Context(), created.ID, "ann")
	require.NoError(t, err)
	g.Age()
	require.Equal(t, "unknown-token", code(t, <-ask(t.Context(), secret)))
	open = db.close()
	strangers = nil
	for n := range access.MostStrange {
		strangers = append(strangers, ask(t.Context(), "sluice_"+strings.Repeat(string(rune('A'+n)), 43)))
	}
	awaitLooks(access.MostStrange)
	require.Equal(t, "too-many", code(t, <-ask(gone, secret)), "a token that was revoked is a stranger's")
	open()
	for _, stranger := range strangers {
		require.Equal(t, "unknown-token", code(t, <-stranger))
	}
}
