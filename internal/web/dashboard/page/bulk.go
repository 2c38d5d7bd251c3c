package page

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/web/dashboard/bulk"
)

// BulkView is what the page shows on which something is done to many items: which, and how many there are.
type BulkView struct {
	Selection
	Selected  admin.Selection
	Names     SelectionNames
	OlderThan string    // narrows it, as it was written
	Limit     string    // at most so many, as it was written
	AsOf      time.Time // the items are those of the page that the form is of; zero: of now
}

// SelectionNames are what a selection means, as people call it.
type SelectionNames struct{ Workspace, Definition, Group string }

// actionWord is an action as a button has it.
func actionWord(a admin.Action) string { return strings.ToUpper(string(a[:1])) + string(a[1:]) }

// effects tell what an action comes to.
var effects = map[admin.Action]string{
	admin.Cancel:       "What waits ends at once as CANCELLED. What runs is asked to cancel. The execution of a definition is terminated if it has not ended a while later, any other only if no worker carries it on.",
	admin.Terminate:    "What runs ends at once, with its children and without a chance to clean up. What waits is left alone.",
	admin.Retry:        "What FAILED before it started goes back into the queue, ready at once and with no attempts counted. What has expired, and what a later item stands for, is left alone.",
	admin.Replay:       "Each execution that FAILED, TIMED_OUT or was TERMINATED is enqueued anew, once: a new item with the same request, which names the first.",
	admin.Reprioritize: "What waits gets another priority or time. An item that would expire before its new time is left as it is.",
}

func limited(a admin.Action) bool { return a != admin.Cancel && a != admin.Terminate }

func dangerous(a admin.Action) bool { return a == admin.Cancel || a == admin.Terminate }

// doing is an operation in the words of its title.
func doing(o bulk.Operation) string {
	return actionWord(o.Selection.Action) + " " + Plural(int(o.Selection.Total), "item", "items")
}

// standing is how an operation stands, in a word.
func standing(o bulk.Operation) (word, class string) {
	switch {
	case o.GoesOn() && o.Stopped:
		return "stopping", "warn"
	case o.GoesOn():
		return "going on", "good"
	case o.Stopped && o.Err != nil:
		return "stopped", "warn"
	case o.Err != nil:
		return "broken off", "bad"
	}
	return "done", "good"
}

// told tells what has become of an operation that has ended.
func told(o bulk.Operation) string {
	var parts []string
	add := func(n int64, text string) {
		if n > 0 {
			parts = append(parts, Count(int(n))+" "+text)
		}
	}
	out := o.Outcome
	switch o.Selection.Action {
	case admin.Cancel, admin.Terminate:
		add(out.Cancelled, "cancelled before they started")
		add(out.Asked, "asked to cancel")
		add(out.Terminated, "terminated")
		add(out.Unsettled, "not settled: their claim, their start, or the record of their end is on its way")
	case admin.Retry:
		add(out.Done, "back in the queue")
		add(out.Expired, "left alone, which would only expire")
	case admin.Replay:
		add(out.Done, "enqueued anew")
	case admin.Reprioritize:
		add(out.Done, "changed")
	}
	if len(parts) == 0 {
		parts = []string{"nothing was changed"}
	}
	return strings.Join(parts, ", ")
}

// broken is why an operation did not come to its end; empty where it did, or where somebody has stopped it.
func broken(o bulk.Operation) string {
	if o.Err == nil || o.Stopped {
		return ""
	}
	return OneLine(o.Err.Error(), 400)
}

// lasted is for how long an operation has gone on.
func lasted(o bulk.Operation, now time.Time) string {
	if o.GoesOn() {
		return Span(now.Sub(o.Began))
	}
	return Span(o.Ended.Sub(o.Began))
}

// OperationAt is the address of an operation's page.
func OperationAt(id uuid.UUID) string { return "/bulk/" + id.String() }

// places are the ways to move an item in time.
var places = []struct{ value, word string }{{"", "as it is"}, {"0s", "now"}, {"15m", "in 15 minutes"}, {"1h", "in 1 hour"}, {"6h", "in 6 hours"}, {"1d", "in 1 day"}}
