package dispatch

import (
	"bytes"
	"slices"
	"sort"

	"github.com/google/uuid"
)

// item is a pending item as a plan needs to know it. Items come and go as they are; nothing changes one.
type item struct {
	id, definition uuid.UUID // of a workflow the definition is nil
	at             int64     // when it is available, in microseconds
}

// place is a place in the order of a line: by time, then by id.
type place struct {
	at int64
	id uuid.UUID
}

func (i *item) place() place { return place{i.at, i.id} }

func (p place) compare(o place) int {
	switch {
	case p.at < o.at:
		return -1
	case p.at > o.at:
		return 1
	}
	return bytes.Compare(p.id[:], o.id[:])
}

// line is what a workspace has pending at one priority: its first items, in order, and how far it has been read. Scans go on
// from there, so they do not walk over the rows that claims have deleted, which a long transaction keeps in the index.
// The zero line has not been read.
type line struct {
	items []item
	upTo  place // items up to this place have been read
	done  bool  // there is none behind it
}

// ready is how many of the known items could start now.
func (l *line) ready(now int64) int {
	return sort.Search(len(l.items), func(i int) bool { return l.items[i].at > now })
}

// short tells whether the line must be read further for so many items to be known, as far as they are ready.
func (l *line) short(few int, now int64) bool {
	return !l.done && len(l.items) < few && (len(l.items) == 0 || l.items[len(l.items)-1].at <= now)
}

// read adds what a scan of so many items at most has found behind the place that was read up to.
func (l *line) read(found []item, most int) {
	l.items = append(l.items, found...)
	if l.done = len(found) < most; !l.done {
		l.upTo = found[len(found)-1].place()
	}
}

// add puts an item into the line, if that part of it has been read. Otherwise a scan will find it.
func (l *line) add(i item) {
	if !l.done && i.place().compare(l.upTo) > 0 {
		return
	}
	at, found := slices.BinarySearchFunc(l.items, i.place(), func(known item, p place) int { return known.place().compare(p) })
	if !found {
		l.items = slices.Insert(l.items, at, i)
	}
}

// cut forgets what lies at a time and behind it: items have come there that are not known. It is read again.
func (l *line) cut(at int64) {
	from := place{at: at}
	if !l.done && from.compare(l.upTo) > 0 {
		return
	}
	l.items = l.items[:sort.Search(len(l.items), func(i int) bool { return l.items[i].at >= at })]
	l.upTo, l.done = from, false
}

// pop takes the first item out.
func (l *line) pop() item {
	first := l.items[0]
	if l.items = l.items[1:]; len(l.items) == 0 {
		l.items = nil // give the memory back
	}
	return first
}
