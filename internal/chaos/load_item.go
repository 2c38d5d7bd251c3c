package main

import (
	"time"

	"sluice/internal/chaos/ledger"
	"sluice/queue"
)

// varied is the ticket's item with some priority, now and then for later, and now and then with an expiry.
func (l *load) varied(t ledger.Ticket, mayExpire bool) queue.Item {
	item := itemOf(t)
	item.Priority = 1 + l.random.IntN(5)
	now := time.Now()
	if l.random.IntN(100) < 10 {
		item.AvailableAt = now.Add(l.some(10 * time.Second))
	}
	if mayExpire && l.random.IntN(100) < 10 {
		item.ExpiresAt = now
		if !item.AvailableAt.IsZero() {
			item.ExpiresAt = item.AvailableAt
		}
		item.ExpiresAt = item.ExpiresAt.Add(l.some(20 * time.Second))
	}
	return item
}

// some is a duration up to longest, at least a tenth of it.
func (l *load) some(longest time.Duration) time.Duration {
	return longest/10 + time.Duration(l.random.Int64N(int64(longest-longest/10)))
}
