package main

import (
	"fmt"
	"sync/atomic"
)

// work is what a system is given to do in one run: items that do nothing, numbered workspace by workspace, as when each
// workspace has enqueued its own in one go. That order shows best who keeps a cap.
type work struct {
	workspaces int
	each       int // items of a workspace
	limit      int // how many of them may run at once

	ran  []atomic.Int32 // how often, by item
	left atomic.Int64   // runs to come
	done chan struct{}  // closed when none is left
}

func newWork(size size) *work {
	w := &work{workspaces: size.workspaces, each: size.each, limit: size.limit, done: make(chan struct{})}
	w.ran = make([]atomic.Int32, w.items())
	w.left.Store(int64(w.items()))
	return w
}

func (w *work) items() int { return w.workspaces * w.each }

// workspace is the place of the workspace that an item belongs to.
func (w *work) workspace(item int) int { return item / w.each }

// run is the work itself.
func (w *work) run(item int) {
	w.ran[item].Add(1)
	if w.left.Add(-1) == 0 {
		close(w.done)
	}
}

// check returns an error unless each item ran once.
func (w *work) check() error {
	for item := range w.ran {
		if n := w.ran[item].Load(); n != 1 {
			return fmt.Errorf("item %d of workspace %d ran %d times", item, w.workspace(item), n)
		}
	}
	return nil
}
