package admission

import (
	"bytes"
	"slices"

	"github.com/google/uuid"
)

// Workspace is what the policy knows of one workspace with a backlog.
type Workspace struct {
	ID    uuid.UUID
	Limit int // slots its tier allows
	Used  int // slots it holds; may exceed Limit after a cut
	Ready int // items that could start now
}

// Grant allows a workspace some more starts, decided under Limit.
type Grant struct {
	ID    uuid.UUID
	Slots int
	Limit int
}

// Decision is the outcome of one cycle's policy.
type Decision struct {
	Grants []Grant // in the order of the deal
	// After is the workspace the next deal begins behind.
	After uuid.UUID
	// Waiting counts the workspaces that have a backlog and were granted nothing, by reason.
	Waiting map[Reason]int
}

// free is what the workspace could start now. It is negative for nobody: a workspace above its limit drains.
func (w Workspace) free() int { return max(0, min(w.Limit-w.Used, w.Ready)) }

// Deal distributes at most batch slots, beginning behind the workspace after. See the package for its promises.
func Deal(workspaces []Workspace, batch int, after uuid.UUID) Decision {
	d := Decision{After: after, Waiting: map[Reason]int{}}
	var circle []Workspace
	for _, w := range workspaces {
		switch {
		case w.free() > 0:
			circle = append(circle, w)
		case w.Ready > 0:
			d.Waiting[AtCapacity]++
		default:
			d.Waiting[Scheduled]++
		}
	}
	slices.SortFunc(circle, func(a, b Workspace) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	start, found := slices.BinarySearchFunc(circle, after, func(w Workspace, id uuid.UUID) int { return bytes.Compare(w.ID[:], id[:]) })
	if found {
		start++
	}
	circle = append(circle[start:len(circle):len(circle)], circle[:start]...)

	dealt := make([]int, len(circle))
	for open := true; open && batch > 0; {
		open = false
		for i, w := range circle {
			if batch == 0 {
				break
			}
			if dealt[i] < w.free() {
				dealt[i]++
				batch--
				d.After = w.ID
				open = true
			}
		}
	}
	for i, w := range circle {
		if dealt[i] == 0 {
			d.Waiting[BatchFull]++
			continue
		}
		d.Grants = append(d.Grants, Grant{ID: w.ID, Slots: dealt[i], Limit: w.Limit})
	}
	return d
}
