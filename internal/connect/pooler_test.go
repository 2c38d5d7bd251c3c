package connect_test

import (
	"maps"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"sluice/internal/connect"
)

// pooler answers every connection as PgBouncer does, in the words of its own, and keeps what it was asked for.
type pooler struct {
	address string
	mu      sync.Mutex
	asked   []map[string]string
}

func newPooler(t *testing.T, refusal string) *pooler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &pooler{address: l.Addr().String()}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.refuse(conn, refusal)
			_ = conn.Close()
		}
	})
	return p
}

func (p *pooler) refuse(conn net.Conn, refusal string) {
	backend := pgproto3.NewBackend(conn, conn)
	first, err := backend.ReceiveStartupMessage()
	startup, ok := first.(*pgproto3.StartupMessage)
	if err != nil || !ok {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, startup.Parameters)
	p.mu.Unlock()
	backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: refusal})
	_ = backend.Flush()
}

// What PgBouncer refuses it refuses for ever: the answer says what to change, and is not waited for to become another.
func TestWhatAPoolerRefusesIsFinal(t *testing.T) {
	t.Parallel()
	for refusal, remedy := range map[string]string{
		"unsupported startup parameter: statement_timeout": "take statement_timeout out of DATABASE_URL and PGOPTIONS, or have PgBouncer pass over it (ignore_startup_parameters = statement_timeout)",
		"no such database: shop":                           "add it to PgBouncer's configuration, or check DATABASE_URL",
		"no such user: ann":                                "add it to PgBouncer's configuration, or check DATABASE_URL",
	} {
		t.Run(refusal, func(t *testing.T) {
			t.Parallel()
			p := newPooler(t, refusal)
			_, err := connect.Postgres(t.Context(), "postgres://ann@"+p.address+"/shop?sslmode=disable", connect.Wait{Patience: patience}, nil)
			require.EqualError(t, err, "cannot use Postgres at "+p.address+": "+refusal+"; "+remedy)
			p.mu.Lock()
			defer p.mu.Unlock()
			require.Len(t, p.asked, 1, "it was asked again")
			names := slices.Sorted(maps.Keys(p.asked[0]))
			require.Equal(t, []string{"database", "user"}, names, "no setting is asked for as it connects")
		})
	}
}
