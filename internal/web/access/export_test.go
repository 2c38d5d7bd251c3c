package access

import "time"

// MostStrange is how many tokens that are not remembered are looked for at once.
const MostStrange = mostStrange

// Age has what is remembered be looked for again, as time does.
func (g *Guard) Age() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for hash, e := range g.found {
		e.until = time.Time{}
		g.found[hash] = e
	}
}
