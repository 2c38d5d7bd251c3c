package dispatch

import (
	"time"

	"github.com/google/uuid"
)

// passed are the workspaces of which a limit for a time has ended. What holds for them now is to be read: nobody has written it.
func (c *cache) passed() (ids []uuid.UUID) {
	for w, until := range c.passing {
		if until <= c.now {
			ids = append(ids, w.view.ID)
		}
	}
	return ids
}

// holdsUntil is when the first limit for a time ends, and with it what a plan rests on; never: there is none.
func (c *cache) holdsUntil() int64 {
	first := int64(never)
	for _, until := range c.passing {
		first = min(first, until)
	}
	return first
}

// changesIn is how long until a pause or a limit for a time ends by itself; zero when none does.
func (c *cache) changesIn() time.Duration {
	first := min(c.pauses.ends, c.holdsUntil())
	if first == never {
		return 0
	}
	return until(first, c.now)
}
