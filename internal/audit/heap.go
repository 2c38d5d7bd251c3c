package audit

import "container/heap"

// slotHeap is slots in an order of which only the first matters.
type slotHeap struct {
	before func(a, b Held) bool
	slots  []Held
}

func (h *slotHeap) len() int    { return len(h.slots) }
func (h *slotHeap) first() Held { return h.slots[0] }
func (h *slotHeap) push(s Held) { heap.Push((*ordered)(h), s) }
func (h *slotHeap) pop() Held   { return heap.Pop((*ordered)(h)).(Held) }

// byEnd orders slots by their ends, the last one first, and those that are still held before all others.
func byEnd(a, b Held) int {
	switch {
	case a.To.IsZero() && b.To.IsZero():
		return 0
	case a.To.IsZero():
		return -1
	case b.To.IsZero():
		return 1
	}
	return b.To.Compare(a.To)
}

// ordered is a slotHeap as package heap wants it.
type ordered slotHeap

func (o *ordered) Len() int           { return len(o.slots) }
func (o *ordered) Less(i, j int) bool { return o.before(o.slots[i], o.slots[j]) }
func (o *ordered) Swap(i, j int)      { o.slots[i], o.slots[j] = o.slots[j], o.slots[i] }
func (o *ordered) Push(x any)         { o.slots = append(o.slots, x.(Held)) }

func (o *ordered) Pop() any {
	last := len(o.slots) - 1
	s := o.slots[last]
	o.slots = o.slots[:last]
	return s
}
