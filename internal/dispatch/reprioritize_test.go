package dispatch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

// reprioritize gives items another place.
func (w *world) reprioritize(p admin.Place, ids ...uuid.UUID) {
	w.t.Helper()
	office := admin.New(w.app)
	s, err := office.Select(w.t.Context(), admin.Reprioritize, admin.Filter{IDs: ids})
	require.NoError(w.t, err)
	n, err := office.ReprioritizeSelected(w.t.Context(), s, p, "ann", "", nil)
	require.NoError(w.t, err)
	require.EqualValues(w.t, len(ids), n)
}

func TestAnItemThatIsPutOffIsNotClaimedAlthoughItWasPlanned(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.enqueueN(4)
	require.Equal(t, 4, w.plan(4).Items)
	w.reprioritize(admin.Place{In: new(aWhile)}, ids[0], ids[1])
	require.Equal(t, 2, w.claim().New)
	require.Zero(t, w.plan(4).Items)
	in := w.plan(4).DueIn
	require.Positive(t, in)
	require.LessOrEqual(t, in, aWhile)
	require.Eventually(t, func() bool { w.cycle(4); return w.running() == 4 }, patience, 5*time.Millisecond)
	require.Zero(t, one[int](w, `SELECT count(*) FROM sluice.running WHERE claimed_at < available_at`))
}

func TestANewPriorityAndAnEarlierTimeHoldFromTheNextClaimOn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET ageing_step = '1 hour'`)
	ids := w.enqueueN(40)
	later := one[uuid.UUID](w, `SELECT (sluice.enqueue($1, $2, available_at => now() + interval '1 day') ->> 'queueId')::uuid`, w.workspace, w.definition)
	require.Equal(t, []uuid.UUID{ids[0]}, w.cycle(1))
	w.hear()
	w.reprioritize(admin.Place{Priority: new(1)}, ids[39])
	w.hear()
	require.Equal(t, []uuid.UUID{ids[39]}, w.cycle(1))
	w.reprioritize(admin.Place{Priority: new(1), In: new(time.Duration(0))}, later)
	w.hear()
	require.Equal(t, []uuid.UUID{later}, w.cycle(1))
	w.reprioritize(admin.Place{Priority: new(5)}, ids[1])
	w.hear()
	require.Equal(t, []uuid.UUID{ids[2]}, w.cycle(1))
}
