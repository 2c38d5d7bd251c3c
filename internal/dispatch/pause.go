package dispatch

import (
	"maps"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// pauses is what is paused. A workspace that is paused as a whole keeps its lines, and the policy grants it nothing. Of one of
// which lanes are paused the lines have what is left: items of a paused lane are not read, so they hold up no others.
type pauses struct {
	rows  []store.Pause // as they were read
	ends  int64         // when the first of them ends; never: none does
	all   bool          // everything is paused
	lanes lanes         // of all workspaces
	of    map[uuid.UUID]pausedWorkspace
}

// lane is what a workspace's items are told apart by below it: a workflow type, or a definition.
type lane struct {
	workflowType string
	definition   uuid.UUID
}

type lanes map[lane]bool

type pausedWorkspace struct {
	whole bool
	lanes lanes
}

// setPauses takes over what is paused now, of all that was read. It returns false where what is known of every line is
// worthless: a type is paused in all workspaces, or is no more.
func (c *cache) setPauses(rows []store.Pause) bool {
	before := c.pauses
	now := pauses{rows: rows, ends: never, lanes: lanes{}, of: map[uuid.UUID]pausedWorkspace{}}
	for _, r := range rows {
		if !r.Until.IsZero() {
			if r.Until.UnixMicro() <= c.now {
				continue
			}
			now.ends = min(now.ends, r.Until.UnixMicro())
		}
		now.add(r)
	}
	c.pauses = now
	if !maps.Equal(before.lanes, now.lanes) {
		return false
	}
	if before.all != now.all {
		for _, w := range c.byID {
			c.pause(w)
		}
		return true
	}
	for _, some := range []map[uuid.UUID]pausedWorkspace{before.of, now.of} {
		for id := range some {
			if w := c.byID[id]; w != nil {
				c.pause(w)
			}
		}
	}
	return true
}

func (p *pauses) add(r store.Pause) {
	of, l := p.of[r.WorkspaceID], lane{r.WorkflowType, r.DefinitionID}
	switch {
	case l == (lane{}) && r.WorkspaceID == uuid.Nil:
		p.all = true
		return
	case l == (lane{}):
		of.whole = true
	case r.WorkspaceID == uuid.Nil:
		p.lanes[l] = true
		return
	default:
		if of.lanes == nil {
			of.lanes = lanes{}
		}
		of.lanes[l] = true
	}
	p.of[r.WorkspaceID] = of
}

// ofDefinitions tells whether any definition is paused.
func (p *pauses) ofDefinitions() bool {
	for _, of := range p.of {
		for l := range of.lanes {
			if l.definition != uuid.Nil {
				return true
			}
		}
	}
	return false
}

// pause has a workspace follow what is paused of it. When that is another lane than before, its lines are read anew.
func (c *cache) pause(w *workspace) {
	of := c.pauses.of[w.view.ID]
	if paused := c.pauses.all || of.whole; w.view.Paused != paused {
		w.view.Paused = paused
		c.touch(w)
	}
	if !maps.Equal(w.lanes, of.lanes) {
		w.lanes = of.lanes
		w.unread()
		c.touch(w)
	}
}

// unread forgets the items of a workspace. What was taken out of its lines before does not come back into them.
func (w *workspace) unread() {
	w.lines = [priorities]line{}
	w.epoch++
}

// lanesPaused tells whether lanes of a workspace are paused, its own or those of all workspaces.
func (c *cache) lanesPaused(w *workspace) bool { return len(w.lanes) > 0 || len(c.pauses.lanes) > 0 }

func (c *cache) lanePaused(w *workspace, l lane) bool { return w.lanes[l] || c.pauses.lanes[l] }

// arrive puts an item of an event into its line, unless its lane is paused. Events do not tell types: where one may be paused
// the line is read again from there.
func (c *cache) arrive(w *workspace, priority int, i item) (read bool) {
	switch l := &w.lines[priority]; {
	case !c.lanesPaused(w):
		l.add(i)
	case i.definition == uuid.Nil:
		l.cut(i.at)
		return true
	case !c.lanePaused(w, lane{definition: i.definition}):
		l.add(i)
	}
	return false
}

// rereadEvery is how often a line is read from its beginning although it seems to have nothing but items of paused lanes: that
// passes over all of these.
const rereadEvery = time.Minute

// headPaused notes that a sweep has found an item of a paused lane to be the first of a line. What lies behind it a sweep does not
// see.
func (c *cache) headPaused(w *workspace, priority int) {
	if l := &w.lines[priority]; len(l.items) == 0 && l.done && c.now-w.reread > rereadEvery.Microseconds() {
		w.reread = c.now
		*l = line{}
		c.touch(w)
	}
}
