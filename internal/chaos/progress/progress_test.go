package progress

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/audit"
)

func TestTheLongestTimeBesideAFreeSlot(t *testing.T) {
	t.Parallel()
	zero := time.Now().Truncate(time.Second)
	at := func(s int) time.Time { return zero.Add(time.Duration(s) * time.Second) }
	span := func(from, to int) Span { return Span{at(from), at(to)} }
	ws, other := uuid.New(), uuid.New()
	limit := func(s, limit int) audit.Change { return audit.Change{At: at(s), Plan: "P", Limit: limit} }
	on := func(w uuid.UUID) audit.Change { return audit.Change{At: at(-100), Workspace: w, Plan: "P"} }
	two, one := 2, 1
	for name, c := range map[string]struct {
		changes []audit.Change
		global  []audit.GlobalChange
		held    []audit.Held
		away    []Span
		want    Span
	}{
		"all of it": {want: span(0, 20)},
		"while the workspace is full there is none": {
			held: []audit.Held{{Workspace: ws, From: at(-5), To: at(12)}, {Workspace: ws, From: at(3), To: at(10)}}, want: span(10, 20)},
		"a slot that is still held": {held: []audit.Held{{Workspace: ws, From: at(-5)}, {Workspace: ws, From: at(4)}}, want: span(0, 4)},
		"another workspace's slots": {held: []audit.Held{{Workspace: other, From: at(-5)}, {Workspace: other, From: at(-5)}}, want: span(0, 20)},
		"a part is away":            {away: []Span{span(-5, 1), span(6, 7), span(18, 30)}, want: span(7, 18)},
		"a limit that was cut":      {changes: []audit.Change{limit(8, 0), limit(9, 2)}, want: span(9, 20)},
		"the limit of all": {
			global: []audit.GlobalChange{{At: at(-9), Limit: &two}, {At: at(15), Limit: &one}},
			held:   []audit.Held{{Workspace: other, From: at(-5), To: at(5)}, {Workspace: ws, From: at(-5), To: at(14)}, {Workspace: other, From: at(15), To: at(16)}},
			want:   span(5, 15)},
		"the limit of all to the end": {global: []audit.GlobalChange{{At: at(12), Limit: &one}}, held: []audit.Held{{Workspace: other, From: at(-5)}}, want: span(0, 12)},
		"a limit of all that is taken away": {global: []audit.GlobalChange{{At: at(-9), Limit: &one}, {At: at(9)}}, held: []audit.Held{{Workspace: other, From: at(-5)}},
			want: span(9, 20)},
		"a workspace whose limit is not on record": {changes: []audit.Change{{At: at(-50), Workspace: ws, Plan: "Q"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes := append([]audit.Change{limit(-100, 2), on(ws), on(other)}, c.changes...)
			j := New(changes, c.global, c.held, c.away)
			require.Equal(t, c.want, j.Beside(Wait{Workspace: ws, From: at(0), To: at(20)}))
		})
	}
}
