package estimate

import (
	"container/heap"
	"time"

	"sluice/internal/admission/slots"
)

// end is when a slot is freed.
type end struct {
	at        time.Duration
	workspace int32
	hold      *slots.Hold
}

// ends is a heap of them, the earliest first.
type ends []end

func (h *ends) push(e end) { heap.Push(h, e) }
func (h *ends) pop() end   { return heap.Pop(h).(end) }

func (h ends) Len() int           { return len(h) }
func (h ends) Less(i, j int) bool { return h[i].at < h[j].at }
func (h ends) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ends) Push(e any)        { *h = append(*h, e.(end)) }

func (h *ends) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}
