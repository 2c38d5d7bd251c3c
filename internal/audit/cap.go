package audit

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Held is the time for which an execution held a slot: from its claim until, and without, its outcome.
type Held struct {
	ID        uuid.UUID
	Workspace uuid.UUID
	From      time.Time
	To        time.Time // zero: it still does
	Reopened  bool      // it was not claimed, see Reopening
}

// never tells that it is no time at all.
func (h Held) never() bool { return !h.To.IsZero() && !h.To.After(h.From) }

// Claims is the judgement of claims.
type Claims struct {
	Judged  int64
	Unknown int64    // the limit then in force is not on record
	Above   Breaches // of their workspace's limit
	Shared  Breaches // of a cohort's limit, or of that of all workspaces together
}

// Breaches counts breaches and keeps some of them.
type Breaches struct {
	Total int64
	First []Breach // those with the lowest ids, at least as many as a finding names
}

// keptBreaches is more than a finding names, so that they are sorted now and then only.
const keptBreaches = 50 * Most

func (b *Breaches) add(breach Breach) {
	b.Total++
	if b.First = append(b.First, breach); len(b.First) > 2*keptBreaches {
		b.sort()
		b.First = b.First[:keptBreaches]
	}
}

func (b *Breaches) sort() {
	slices.SortStableFunc(b.First, func(x, y Breach) int { return bytes.Compare(x.ID[:], y.ID[:]) })
}

// Judge finds the claims since a moment after which their workspace, their cohort or all workspaces together held more than
// they could. It is shown the slots one after the other and goes back in time from the last end, so that it only has to
// remember those that are held at one moment, however many there have been.
//
// A claim is decided on the limit that it reads, and the change of a limit is on record just before it commits: so a claim may
// follow any limit that was in force within the slack before it. Of the claims of one instant, as many are above the limit
// as slots are held above it. What was reopened counts as usage and is not judged.
type Judge struct {
	limits   Limits
	pools    *pools
	reopened map[uuid.UUID][]Reopening
	since    time.Time
	until    time.Time // zero: for ever
	slack    time.Duration
	later    slotHeap // parts of what was reopened, whose end has not been reached
	claims   Claims
}

// NewJudge returns a judge of the claims since a moment; zero stands for all there are.
func NewJudge(limits Limits, shared Shared, reopenings []Reopening, since time.Time, slack time.Duration) *Judge {
	return &Judge{limits: limits, pools: newPools(shared), reopened: byExecution(reopenings), since: since, slack: slack,
		later: slotHeap{before: func(a, b Held) bool { return byEnd(a, b) < 0 }}}
}

// Until leaves out the claims after a moment.
func (j *Judge) Until(moment time.Time) { j.until = moment }

// Add shows the next slot. They come by their ends, the last one first, and those that are still held before all others.
func (j *Judge) Add(h Held) {
	for _, part := range split(h, j.reopened[h.ID]) {
		j.later.push(part)
	}
	for j.later.len() > 0 && byEnd(j.later.first(), h) <= 0 {
		j.admit(j.later.pop())
	}
}

// Done returns the judgement of all that was shown.
func (j *Judge) Done() Claims {
	for j.later.len() > 0 {
		j.admit(j.later.pop())
	}
	j.backTo(time.Time{})
	j.claims.Above.sort()
	j.claims.Shared.sort()
	return j.claims
}

// admit goes back to the end of a slot.
func (j *Judge) admit(h Held) {
	if h.never() {
		return
	}
	if !h.To.IsZero() {
		j.backTo(h.To)
	}
	j.pools.add(h)
}

// backTo judges the claims down to a moment, and takes the slots that they took back.
func (j *Judge) backTo(moment time.Time) {
	for j.pools.open.len() > 0 && !j.pools.open.first().From.Before(moment) {
		at := j.pools.open.first().From
		j.pools.undo(at)
		claims := j.pools.taken(at)
		if !at.Before(j.since) && (j.until.IsZero() || !at.After(j.until)) {
			j.judge(at, slices.DeleteFunc(slices.Clone(claims), func(h Held) bool { return h.Reopened }))
		}
		for _, h := range claims {
			j.pools.take(h.Workspace, -1)
		}
	}
}

// judge judges the claims of one instant, with the slots as they were then.
func (j *Judge) judge(at time.Time, claims []Held) {
	byWorkspace := map[uuid.UUID][]Held{}
	for _, c := range claims {
		byWorkspace[c.Workspace] = append(byWorkspace[c.Workspace], c)
	}
	for workspace, claims := range byWorkspace {
		_, limit, known := j.limits.Between(workspace, at.Add(-j.slack), at)
		if !known {
			j.claims.Unknown += int64(len(claims))
			continue
		}
		j.claims.Judged += int64(len(claims))
		used := j.pools.used[workspace]
		for _, claim := range claims[len(claims)-min(len(claims), max(0, used-limit)):] {
			j.claims.Above.add(Breach{claim.ID, fmt.Sprintf("claimed at %s as one of %d slots of workspace %s, whose limit was %d",
				at.UTC().Format(time.RFC3339Nano), used, workspace, limit)})
		}
	}
	for _, breach := range j.pools.above(at, claims, j.slack) {
		j.claims.Shared.add(breach)
	}
}

// Peak is the most slots that were held at once at any time from one moment to another, both included.
func Peak(held []Held, from, to time.Time) (peak int) {
	moments := []time.Time{from}
	for _, h := range held {
		if h.From.After(from) && !h.From.After(to) {
			moments = append(moments, h.From)
		}
	}
	for _, at := range moments {
		used := 0
		for _, h := range held {
			if !h.From.After(at) && (h.To.IsZero() || h.To.After(at)) {
				used++
			}
		}
		peak = max(peak, used)
	}
	return peak
}
