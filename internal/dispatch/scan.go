package dispatch

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// scan reads lines further, some at a time.
type scan struct {
	batch int
	lines []scanned
}

// scanned is a line that is being read.
type scanned struct {
	of       *workspace
	priority int
	paused   bool // it passes over paused lanes
	epoch    int  // of the workspace
	from     place
	most     int
	found    []item
}

const (
	// scanMost is how many lines are read on one occasion: enough for what a claim has taken from, and done in some
	// milliseconds.
	scanMost = 512
	// scanLeast is read of a line at least: a look at it costs as much as the next few items.
	scanLeast = 8
)

// refill chooses the lines that something has just happened to: the ones that a plan has taken from, above all.
func (s *scan) refill(c *cache) {
	for _, w := range c.touched {
		if len(s.lines) >= scanMost {
			return
		}
		s.add(c, w)
	}
}

// feed chooses lines of the workspaces that are hungry.
func (s *scan) feed(c *cache) {
	for len(c.hungry) > 0 && len(s.lines) < scanMost {
		w := c.hungry[len(c.hungry)-1]
		c.hungry = c.hungry[:len(c.hungry)-1]
		w.hungry = false
		s.add(c, w)
	}
}

func (s *scan) add(c *cache, w *workspace) {
	if w.view.Used >= w.view.Ceiling || w.view.Paused {
		return
	}
	few, most := fewFor(&w.view, s.batch), max(scanLeast, enoughFor(&w.view, s.batch))
	for p := range w.lines {
		if l := &w.lines[p]; l.short(few, c.now) {
			s.lines = append(s.lines, scanned{of: w, priority: p, paused: c.lanesPaused(w), epoch: w.epoch, from: l.upTo, most: most})
		}
	}
}

func (s *scan) queue(b *pgx.Batch) {
	lines := make([]store.Line, len(s.lines))
	for i, l := range s.lines {
		lines[i] = store.Line{
			Number: int32(i), WorkspaceID: l.of.view.ID, Priority: l.priority + 1, At: timeOf(l.from.at), ID: l.from.id, Most: l.most, Paused: l.paused,
		}
	}
	store.QueueScan(b, lines, func(line int32, i store.Item) {
		l := &s.lines[line]
		l.found = append(l.found, item{id: i.ID, definition: i.DefinitionID, at: i.AvailableAt.UnixMicro()})
	})
}

// read notes what was found. Where a line has been cut back meanwhile, or is read anew, the answer is to another question.
func (s *scan) read(c *cache) {
	for i := range s.lines {
		r := &s.lines[i]
		if l := &r.of.lines[r.priority]; !l.done && l.upTo == r.from && r.of.epoch == r.epoch {
			l.read(r.found, r.most)
		}
		c.touch(r.of)
	}
}

// scanHungry reads the lines of workspaces that are hungry.
func (e *Engine) scanHungry(ctx context.Context, batch int) error {
	s := scan{batch: batch}
	s.feed(&e.cache)
	return e.send(ctx, &s)
}

// scanLines reads all lines of some workspaces.
func (e *Engine) scanLines(ctx context.Context, all []*workspace, batch int) error {
	for len(all) > 0 {
		s := scan{batch: batch}
		n := 0
		for ; n < len(all) && len(s.lines) < scanMost; n++ {
			s.add(&e.cache, all[n])
		}
		all = all[n:]
		if err := e.send(ctx, &s); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) send(ctx context.Context, s *scan) error {
	if len(s.lines) == 0 {
		return nil
	}
	if err := store.Send(ctx, e.pool, s.queue); err != nil {
		e.cache.known = false
		return store.Wrap(err, "read the backlog")
	}
	s.read(&e.cache)
	return nil
}

// timeOf is a time in microseconds as a statement takes it; the zero place lies before everything.
func timeOf(at int64) time.Time {
	if at == 0 {
		return store.Earliest
	}
	return time.UnixMicro(at)
}
