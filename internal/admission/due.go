package admission

import "time"

// Due orders the ready items of a workspace: the earliest first, then by priority, then by enqueue order. A priority is
// a head start of so many steps against the next one, not a class of its own: an item of priority p goes at the latest
// before everything that becomes available (p-1) steps after it. So a low priority waits a bounded time however many
// urgent items follow it. Priorities are 1 (first) to 5.
func Due(availableAt time.Time, priority int, step time.Duration) time.Time {
	return availableAt.Add(time.Duration(priority-1) * step)
}
