package admission

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func id(n int) uuid.UUID {
	var u uuid.UUID
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

func TestDeal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		workspaces  []Workspace
		batch       int
		after       uuid.UUID
		want        []Grant
		wantAfter   uuid.UUID
		wantWaiting map[Reason]int
	}{
		"nothing to do": {batch: 5, wantWaiting: map[Reason]int{}},
		"each gets its first before any gets its second": {
			workspaces:  []Workspace{{ID: id(1), Limit: 10, Ready: 10}, {ID: id(2), Limit: 10, Ready: 1}, {ID: id(3), Limit: 10, Ready: 10}},
			batch:       4,
			want:        []Grant{{id(1), 2, 10}, {id(2), 1, 10}, {id(3), 1, 10}},
			wantAfter:   id(1),
			wantWaiting: map[Reason]int{},
		},
		"the deal begins behind the last served": {
			workspaces:  []Workspace{{ID: id(1), Limit: 1, Ready: 1}, {ID: id(2), Limit: 1, Ready: 1}, {ID: id(3), Limit: 1, Ready: 1}},
			batch:       2,
			after:       id(2),
			want:        []Grant{{id(3), 1, 1}, {id(1), 1, 1}},
			wantAfter:   id(1),
			wantWaiting: map[Reason]int{BatchFull: 1},
		},
		"a full workspace with an endless backlog stops nobody": {
			workspaces:  []Workspace{{ID: id(1), Limit: 2, Used: 2, Ready: 1000}, {ID: id(2), Limit: 2, Used: 1, Ready: 5}},
			batch:       100,
			want:        []Grant{{id(2), 1, 2}},
			wantAfter:   id(2),
			wantWaiting: map[Reason]int{AtCapacity: 1},
		},
		"a workspace above its cut limit drains": {
			workspaces:  []Workspace{{ID: id(1), Limit: 2, Used: 7, Ready: 3}},
			batch:       100,
			wantWaiting: map[Reason]int{AtCapacity: 1},
		},
		"only scheduled items": {
			workspaces:  []Workspace{{ID: id(1), Limit: 2}},
			batch:       100,
			wantWaiting: map[Reason]int{Scheduled: 1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Deal(tt.workspaces, tt.batch, tt.after)
			require.Equal(t, tt.want, got.Grants)
			require.Equal(t, tt.wantAfter, got.After)
			require.Equal(t, tt.wantWaiting, got.Waiting)
		})
	}
}

func drawWorkspaces(t *rapid.T) []Workspace {
	n := rapid.IntRange(0, 12).Draw(t, "workspaces")
	ws := make([]Workspace, n)
	for i := range ws {
		ws[i] = Workspace{
			ID:    id(i*3 + 1),
			Limit: rapid.IntRange(0, 6).Draw(t, "limit"),
			Used:  rapid.IntRange(0, 8).Draw(t, "used"),
			Ready: rapid.IntRange(0, 9).Draw(t, "ready"),
		}
	}
	return ws
}

// naiveDeal is the oracle: it walks the circle of all ids one by one and gives one slot at a time.
func naiveDeal(ws []Workspace, batch int, after uuid.UUID) map[uuid.UUID]int {
	got := map[uuid.UUID]int{}
	byNumber := map[uint32]Workspace{}
	for _, w := range ws {
		byNumber[binary.BigEndian.Uint32(w.ID[12:])] = w
	}
	const circle = 64
	position, idle := binary.BigEndian.Uint32(after[12:]), 0
	for batch > 0 && idle <= circle {
		position = (position + 1) % circle
		idle++
		w, ok := byNumber[position]
		if ok && got[w.ID] < w.Ready && w.Used+got[w.ID] < w.Limit {
			got[w.ID]++
			batch--
			idle = 0
		}
	}
	return got
}

func TestDealKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ws := drawWorkspaces(t)
		batch := rapid.IntRange(0, 40).Draw(t, "batch")
		after := id(rapid.IntRange(0, 40).Draw(t, "after"))
		d := Deal(ws, batch, after)

		granted := map[uuid.UUID]int{}
		total := 0
		for _, g := range d.Grants {
			granted[g.ID] = g.Slots
			total += g.Slots
		}
		require.LessOrEqual(t, total, batch)
		possible, waiting := 0, 0
		for _, w := range ws {
			require.LessOrEqual(t, granted[w.ID], w.free(), "never above the limit, never more than ready")
			possible += w.free()
			if granted[w.ID] == 0 {
				waiting++
			}
		}
		require.Equal(t, min(batch, possible), total, "work-conserving")
		reasons := 0
		for _, n := range d.Waiting {
			reasons += n
		}
		require.Equal(t, waiting, reasons, "each refusal has one reason")
		require.Equal(t, naiveDeal(ws, batch, after), granted, "oracle")

		shuffled := append([]Workspace{}, ws...)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		require.Equal(t, d, Deal(shuffled, batch, after), "order of the argument does not matter")
	})
}

// A workspace that can take a slot is served within one turn of the circle, however large the others' backlogs.
func TestNobodyStarves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(t, "workspaces")
		batch := rapid.IntRange(1, 10).Draw(t, "batch")
		ws := make([]Workspace, n)
		for i := range ws {
			ws[i] = Workspace{ID: id(i + 1), Limit: 1 << 20, Ready: rapid.IntRange(1000, 2000).Draw(t, "ready")}
		}
		served := make([]int, n)
		var after uuid.UUID
		cycles := rapid.IntRange(1, 20).Draw(t, "cycles")
		for range cycles {
			d := Deal(ws, batch, after)
			after = d.After
			for _, g := range d.Grants {
				served[binary.BigEndian.Uint32(g.ID[12:])-1] += g.Slots
			}
			least, most := served[0], served[0]
			for _, s := range served {
				least, most = min(least, s), max(most, s)
			}
			require.LessOrEqual(t, most-least, 1, "while all can take slots, nobody is ever two ahead")
		}
	})
}

func FuzzDeal(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		ws := drawWorkspaces(t)
		batch := rapid.IntRange(0, 40).Draw(t, "batch")
		d := Deal(ws, batch, id(0))
		granted := map[uuid.UUID]int{}
		for _, g := range d.Grants {
			granted[g.ID] = g.Slots
		}
		require.Equal(t, naiveDeal(ws, batch, id(0)), granted)
	}))
}
