package operate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"sluice/internal/audit"
	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// DefaultGrace is how long something may be on its way between Postgres and Temporal: what looks wrong is looked at
// again so much later before it counts, and a ready item may wait so long for a free slot.
const DefaultGrace = 10 * time.Second

// limitSlack is longer than a change of a limit takes to commit and a claim to be decided.
const limitSlack = 2 * time.Second

// AuditOptions says how closely to look.
type AuditOptions struct {
	Grace time.Duration // defaults to DefaultGrace
	// Since narrows the audit to what is open or has happened in the last so long, and its cost with it; what Temporal
	// lists as open is then believed. Defaults to all there is.
	Since time.Duration
}

// Audit checks the invariants (see package audit) from Postgres and Temporal, and changes nothing. It takes a moment,
// and a grace more when something looks wrong. What Temporal does not tell is Unchecked in the report; an error says
// that Postgres could not be asked. Dial connects to Temporal.
func Audit(ctx context.Context, db store.DB, dial func(context.Context) (client.Client, error), o AuditOptions) (*audit.Report, error) {
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	now, err := facts.Now(ctx, db)
	if err != nil {
		return nil, err
	}
	a := &auditor{db: db, options: o, report: audit.NewReport(now)}
	if o.Since > 0 {
		a.since = now.Add(-o.Since)
	}
	if err := errors.Join(a.checkRules(ctx), a.judgeClaims(ctx)); err != nil {
		return nil, err
	}
	a.client, err = dial(ctx)
	if err != nil {
		a.unchecked(err, audit.Place, audit.Slot, audit.Progress)
		return a.report, ctx.Err()
	}
	return a.report, a.compare(ctx)
}

// auditor is one audit.
type auditor struct {
	db      store.DB
	client  client.Client
	options AuditOptions
	since   time.Time // zero: all there is
	report  *audit.Report
}

// unchecked notes that Temporal's part of these invariants could not be checked.
func (a *auditor) unchecked(why error, invariants ...int) {
	for _, invariant := range invariants {
		f := a.report.Of(invariant)
		f.Unchecked = append(f.Unchecked, "what Temporal knows: "+why.Error())
	}
}

// checkRules checks what Postgres can decide alone.
func (a *auditor) checkRules(ctx context.Context) error {
	for invariant, check := range map[int]func() (facts.Checked, error){
		audit.Cap:   func() (facts.Checked, error) { return facts.CheckPauses(ctx, a.db, a.since, audit.Most) },
		audit.Place: func() (facts.Checked, error) { return facts.CheckPlaces(ctx, a.db, a.since, audit.Most) },
		audit.Slot:  func() (facts.Checked, error) { return facts.CheckSlots(ctx, a.db, audit.Most) },
		audit.Owner: func() (facts.Checked, error) { return facts.CheckOwners(ctx, a.db, a.since, audit.Most) },
	} {
		checked, err := check()
		if err != nil {
			return err
		}
		first := make([]audit.Breach, len(checked.First))
		for i, b := range checked.First {
			first[i] = audit.Breach(b)
		}
		f := a.report.Of(invariant)
		f.Checked = checked.Checked
		f.AddCounted(checked.Broken, first)
	}
	return nil
}

// judgeClaims replays the recorded intervals against the recorded limits: of each workspace, and of several together. What it finds
// comes to the claims of what was paused. What is claimed after the audit began may follow a limit that the record does not have
// yet.
func (a *auditor) judgeClaims(ctx context.Context) error {
	judged, err := judge(ctx, a.db, a.since, a.report.At, limitSlack)
	if err != nil {
		return err
	}
	f := a.report.Of(audit.Cap)
	f.Checked = judged.Judged
	f.AddCounted(judged.Above.Total, judged.Above.First)
	f.AddCounted(judged.Shared.Total, judged.Shared.First)
	if judged.Unknown > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%d claims are older than the record of limits", judged.Unknown))
	}
	return nil
}

// judgeAgain is how often claims are judged anew because an execution was given its slot back meanwhile.
const judgeAgain = 3

// judge reads the slots one by one, and remembers those that were held at one moment.
func judge(ctx context.Context, db store.DB, since, until time.Time, slack time.Duration) (judged audit.Claims, err error) {
	for range judgeAgain {
		record, err := ReadRecord(ctx, db, since)
		if err != nil {
			return judged, err
		}
		j := audit.NewJudge(audit.NewLimits(record.Changes), audit.NewShared(record.Changes, record.Global), record.Reopenings, since, slack)
		j.Until(until)
		if err := facts.EachHeldSlot(ctx, db, since, func(s facts.HeldSlot) { j.Add(heldSlot(s)) }); err != nil {
			return judged, err
		}
		judged = j.Done()
		later, err := reopenings(ctx, db, since)
		if err != nil || len(later) == len(record.Reopenings) {
			return judged, err
		}
	}
	return judged, nil
}

// compare looks at Postgres and Temporal together, and once more at what looks wrong.
func (a *auditor) compare(ctx context.Context) error {
	doubtful, err := a.look(ctx)
	if err != nil || !a.report.Complete() { // Temporal has broken off
		return err
	}
	overdue, err := a.lookForOverdue(ctx)
	if err != nil {
		return err
	}
	if len(doubtful)+len(overdue.items) == 0 {
		return nil
	}
	if err := pause(ctx, a.options.Grace); err != nil {
		return err
	}
	if err := a.lookAgain(ctx, doubtful); err != nil || !a.report.Complete() {
		return err
	}
	return a.lookForOverdueAgain(ctx, overdue)
}

// look returns the items about which there is a doubt.
func (a *auditor) look(ctx context.Context) ([]audit.Sight, error) {
	open, err := listOpenExecutions(ctx, a.client)
	if err != nil {
		a.unchecked(err, audit.Place, audit.Slot, audit.Progress)
		return nil, ctx.Err()
	}
	holders, err := facts.SlotHolders(ctx, a.db)
	if err != nil {
		return nil, err
	}
	strays := map[uuid.UUID][]string{}
	items, listed := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for _, e := range open {
		items[e.item] = true
	}
	for _, id := range holders {
		items[id] = true
	}
	known, err := a.known(ctx, slices.Collect(maps.Keys(items)))
	if err != nil {
		return nil, err
	}
	for _, e := range open {
		switch {
		case e.workflowID == known[e.item].WorkflowID:
			listed[e.item] = true
		case e.ours:
			strays[e.item] = append(strays[e.item], e.workflowID)
		}
	}
	a.report.Of(audit.Slot).Checked = int64(len(items))
	if !a.since.IsZero() { // or every audit would ask Temporal for each open workflow: those that are as expected are enough
		for _, id := range holders {
			if listed[id] && len(strays[id]) == 0 {
				delete(items, id)
			}
		}
	}
	sights, err := a.sights(ctx, items, strays)
	return slices.DeleteFunc(sights, func(s audit.Sight) bool { return len(s.Doubts()) == 0 }), err
}

// known is how the workflows of items are known, also of those that Postgres knows nothing of.
func (a *auditor) known(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]store.Known, error) {
	found, err := store.WorkflowsOf(ctx, a.db, ids)
	known := make(map[uuid.UUID]store.Known, len(ids))
	for _, id := range ids {
		known[id] = Execution(id)
	}
	maps.Copy(known, found)
	return known, err
}

func (a *auditor) lookAgain(ctx context.Context, doubtful []audit.Sight) error {
	items, strays, first := map[uuid.UUID]bool{}, map[uuid.UUID][]string{}, map[uuid.UUID]audit.Sight{}
	for _, s := range doubtful {
		items[s.ID], strays[s.ID], first[s.ID] = true, s.Strays, s
	}
	sights, err := a.sights(ctx, items, strays)
	for _, s := range sights {
		for _, d := range audit.Lasting(first[s.ID], s) {
			a.report.Of(d.Invariant).Add(d.Breach)
		}
	}
	return err
}

// sights are these items as they are now, by id; none when Temporal cannot be asked.
func (a *auditor) sights(ctx context.Context, items map[uuid.UUID]bool, strays map[uuid.UUID][]string) ([]audit.Sight, error) {
	ids := slices.Collect(maps.Keys(items))
	known, err := a.known(ctx, ids)
	if err != nil {
		return nil, err
	}
	var all []store.Known
	for _, id := range ids {
		all = append(all, known[id])
		for _, stray := range strays[id] {
			all = append(all, store.Known{ItemID: id, WorkflowID: stray})
		}
	}
	standings, err := facts.Standings(ctx, a.db, ids)
	if err != nil {
		return nil, err
	}
	states, err := lookUp(ctx, a.client, all)
	if err != nil {
		a.unchecked(err, audit.Place, audit.Slot, audit.Progress)
		return nil, ctx.Err()
	}
	sights := make([]audit.Sight, len(standings))
	for i, standing := range standings {
		s := audit.Sight{ID: standing.ID, Workflow: states[known[standing.ID]]}
		if standing.Status != nil {
			s.Status = *standing.Status
		}
		if standing.SlotAt != nil {
			s.Slot = *standing.SlotAt
		}
		for _, stray := range strays[standing.ID] {
			if states[store.Known{ItemID: standing.ID, WorkflowID: stray}] == audit.Open {
				s.Strays = append(s.Strays, stray)
			}
		}
		sights[i] = s
	}
	slices.SortFunc(sights, func(a, b audit.Sight) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return sights, nil
}
