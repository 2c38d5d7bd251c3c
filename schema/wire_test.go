package schema_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// read is what sluice.read_request says.
type read struct {
	id, kind, queue, namespace, cron *string
	delay                            *time.Duration
	reuse, conflict                  *int64
}

func readRequest(t *testing.T, db *pgxpool.Pool, raw []byte) (got read, err error) {
	t.Helper()
	err = db.QueryRow(t.Context(), `SELECT workflow_id, workflow_type, task_queue, namespace, cron, delay, reuse, conflict FROM sluice.read_request($1)`, raw).
		Scan(&got.id, &got.kind, &got.queue, &got.namespace, &got.cron, &got.delay, &got.reuse, &got.conflict)
	return got, err
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Whatever the bytes are, SQL sees no other names in them than the program that starts the workflow.
func TestSQLReadsARequestAsGoDoes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seed := uint64(20261128)
	random := rand.New(rand.NewPCG(seed, 1))
	agreed, refused := 0, 0
	for n := range 1500 {
		raw := randomRequest(random)
		for range random.IntN(4) * (n % 2) { // every other one is as it should be
			raw = mutate(random, raw)
		}
		var want workflowservice.StartWorkflowExecutionRequest
		goErr := proto.Unmarshal(raw, &want)
		got, err := readRequest(t, b.db, raw)
		if err != nil {
			var pg *pgconn.PgError
			require.True(t, errors.As(err, &pg) && pg.Code == "SL004", "%x: %v", raw, err)
			require.True(t, goErr != nil || n%2 == 1, "%x is a request: %v", raw, err)
			refused++
			continue
		}
		if goErr != nil {
			continue // it is refused when it is started
		}
		agreed++
		require.Equal(t, want.GetWorkflowId(), text(got.id), "%x", raw)
		require.Equal(t, want.GetWorkflowType().GetName(), text(got.kind), "%x", raw)
		require.Equal(t, want.GetTaskQueue().GetName(), text(got.queue), "%x", raw)
		require.Equal(t, want.GetNamespace(), text(got.namespace), "%x", raw)
		require.Equal(t, want.GetCronSchedule(), text(got.cron), "%x", raw)
		delay := time.Duration(0)
		if got.delay != nil {
			delay = *got.delay
		}
		require.InDelta(t, want.GetWorkflowStartDelay().AsDuration(), delay, float64(time.Microsecond), "%x", raw)
		number := func(n *int64) int32 {
			if n == nil {
				return 0
			}
			return int32(uint32(*n))
		}
		require.EqualValues(t, want.GetWorkflowIdReusePolicy(), number(got.reuse), "%x", raw)
		require.EqualValues(t, want.GetWorkflowIdConflictPolicy(), number(got.conflict), "%x", raw)
	}
	require.Greater(t, agreed, 700)
	require.Positive(t, refused)
}

// randomRequest has known and unknown fields in any order, some more than once.
func randomRequest(random *rand.Rand) (raw []byte) {
	names := []string{"", "a", "Bill", "größe", "workflow.workspace.x", "Execution"}
	name := func() string { return names[random.IntN(len(names))] }
	for range random.IntN(8) {
		switch random.IntN(10) {
		case 0, 1:
			raw = protowire.AppendString(protowire.AppendTag(raw, protowire.Number(1+random.IntN(2)), protowire.BytesType), name())
		case 2, 3, 4:
			var message []byte
			for range random.IntN(3) {
				message = protowire.AppendString(protowire.AppendTag(message, 1, protowire.BytesType), name())
				if random.IntN(2) == 0 {
					message = protowire.AppendVarint(protowire.AppendTag(message, 2, protowire.VarintType), random.Uint64())
				}
			}
			raw = protowire.AppendBytes(protowire.AppendTag(raw, protowire.Number(3+random.IntN(2)), protowire.BytesType), message)
		case 5:
			raw = protowire.AppendString(protowire.AppendTag(raw, 13, protowire.BytesType), name())
		case 6:
			raw = protowire.AppendVarint(protowire.AppendTag(raw, []protowire.Number{11, 22}[random.IntN(2)], protowire.VarintType), random.Uint64N(5))
		case 7:
			var duration []byte
			for range random.IntN(3) {
				duration = protowire.AppendVarint(protowire.AppendTag(duration, protowire.Number(1+random.IntN(2)), protowire.VarintType), random.Uint64N(1e9))
			}
			raw = protowire.AppendBytes(protowire.AppendTag(raw, 20, protowire.BytesType), duration)
		case 8:
			raw = protowire.AppendFixed64(protowire.AppendTag(raw, 100, protowire.Fixed64Type), random.Uint64())
			raw = protowire.AppendFixed32(protowire.AppendTag(raw, 1000, protowire.Fixed32Type), random.Uint32())
		case 9:
			raw = protowire.AppendVarint(protowire.AppendTag(raw, 99999, protowire.VarintType), random.Uint64())
		}
	}
	return raw
}

func mutate(random *rand.Rand, raw []byte) []byte {
	raw = append([]byte(nil), raw...)
	switch {
	case len(raw) == 0 || random.IntN(4) == 0:
		at := random.IntN(len(raw) + 1)
		return append(raw[:at:at], append([]byte{byte(random.Uint32())}, raw[at:]...)...)
	case random.IntN(3) == 0:
		return raw[:random.IntN(len(raw))]
	}
	raw[random.IntN(len(raw))] ^= 1 << random.IntN(8)
	return raw
}

// It would take seconds to read the most fields that two megabytes can hold.
func TestARequestOfManySmallFieldsIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fields := func(n int) (raw []byte) {
		for range n {
			raw = protowire.AppendVarint(protowire.AppendTag(raw, 5, protowire.VarintType), 0)
		}
		return raw
	}
	_, err := readRequest(t, b.db, fields(1000))
	require.NoError(t, err)
	_, err = readRequest(t, b.db, fields(1<<20))
	require.ErrorContains(t, err, "request is no StartWorkflowExecutionRequest: it has more than 1000 fields")
}
