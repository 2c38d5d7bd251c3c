package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/store/estimates"
	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/workflows"
)

// ItemsView is a page of a list of items.
type ItemsView struct {
	Selection
	Chosen SelectionNames
	Before uuid.UUID // the last of the page before
	Most   int
	Items  []queue.State
	Kinds  map[uuid.UUID]string // names of definitions
	Names  map[uuid.UUID]string // of workspaces
}

// Statuses are those of items, then those of executions.
var Statuses = []string{"PENDING", "CLAIMED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TERMINATED", "TIMED_OUT", "EXPIRED"}

func (v ItemsView) kind(i queue.State) string { return kindOf(i, v.Kinds) }

func kindOf(i queue.State, kinds map[uuid.UUID]string) string {
	if i.WorkflowType != nil {
		return *i.WorkflowType
	}
	return kinds[Value(i.WorkflowDefinitionID)]
}

// StatusOf is that of the execution once there is one, else that of the item.
func StatusOf(i queue.State) string {
	if i.ExecutionStatus != nil {
		return *i.ExecutionStatus
	}
	return i.Status
}

// timing is what matters of an item's times in its state.
func timing(i queue.State, now time.Time) string {
	switch {
	case i.CompletedAt != nil && i.DispatchedAt != nil:
		return "ran " + Span(i.CompletedAt.Sub(*i.DispatchedAt))
	case i.UnservedSince != nil:
		return "unserved for " + Span(now.Sub(*i.UnservedSince))
	case i.DispatchedAt != nil:
		return "runs for " + Span(now.Sub(*i.DispatchedAt))
	case i.Status == "PENDING" && i.AvailableAt.After(now):
		return "due " + Ago(i.AvailableAt, now)
	case i.Status == "PENDING":
		return "waits " + Span(now.Sub(i.AvailableAt))
	}
	return ""
}

// trouble is why an item or its execution failed, or what keeps it.
func trouble(i queue.State) string {
	switch {
	case len(i.ExecutionError) > 0:
		return outcome(i.ExecutionError)
	case i.Error != nil:
		return *i.Error
	}
	return Value(i.Unserved)
}

// outcome is the text of an execution's error, or the raw JSON where it has another form.
func outcome(raw json.RawMessage) string {
	var e workflows.OutcomeError
	if err := json.Unmarshal(raw, &e); err != nil || e.Message == "" {
		return string(raw)
	}
	if e.NodeName != "" {
		return "node " + e.NodeName + ": " + e.Message
	}
	return e.Message
}

// ItemView is what the page of an item shows.
type ItemView struct {
	queue.State
	Kind         string
	Workspace    string
	Wait         facts.Wait // of one that is pending
	Start        estimates.Start
	Activity     []facts.Activity
	MissingTypes []string
	Awaits       []string // what its workflow waits for
	WebUI        templ.SafeURL
}

// replayable tells whether it is an execution that did not complete, and has not been replayed.
func (v ItemView) replayable() bool {
	return v.ExecutionStatus != nil && slices.Contains(admin.Replay.Statuses(), *v.ExecutionStatus) && v.ReplayedAs == nil
}

// moment is one of an item's story.
type moment struct {
	at          *time.Time // nil: not yet
	class, what string
	who, note   string
}

// story is what has happened to the item and what is still to come, in order.
func (v ItemView) story() []moment {
	var story []moment
	last := v.CreatedAt
	for _, a := range v.Activity {
		m := moment{at: &a.At, what: a.Action, who: a.Actor, note: Value(a.Reason)}
		switch a.Action {
		case "claimed":
			m.what, m.note = "claimed a slot", "after a wait of "+Span(a.At.Sub(v.AvailableAt))
		case "dispatched":
			m.what, m.note = "started", ""
		case "completed":
			m.class = "good"
		case "failed", "timed_out", "expired":
			m.class = "bad"
		case "cancelled", "terminated", "cancel-requested", "terminate-requested", "start-failed", "requeued":
			m.class = "warn"
		}
		m.what = strings.ReplaceAll(m.what, "_", " ")
		if text := detailsText(a.Details); text != "" && a.Action != "dispatched" {
			m.note = strings.TrimPrefix(m.note+" · "+text, " · ")
		}
		story = append(story, m)
		last = a.At
	}
	slices.SortStableFunc(story, func(a, b moment) int { return a.at.Compare(*b.at) })
	if len(story) == 0 {
		story = append(story, moment{at: &last, what: "enqueued"})
	}
	return append(story, v.now()...)
}

// now is how the story stands.
func (v ItemView) now() []moment {
	switch {
	case v.Done():
		return nil
	case v.Status == "PENDING":
		text := "waits to start"
		if v.Wait.Reason != "" {
			text = "waits: " + string(v.Wait.Reason)
		}
		note := ""
		switch {
		case v.Wait.More:
			note = fmt.Sprintf("behind the first %s of its workspace", Count(v.Wait.Place))
		case v.Wait.Place > 0:
			note = fmt.Sprintf("place %s in the line of its workspace", Count(v.Wait.Place))
		}
		return []moment{{class: "idle", what: text, note: note}}
	case v.Unserved != nil:
		return []moment{{class: "bad", what: "unserved", note: *v.Unserved}}
	case v.Status == "CLAIMED":
		return []moment{{class: "idle", what: "is being started", note: Value(v.Error)}}
	}
	return []moment{{class: "idle", what: "runs", note: strings.Join(v.Awaits, "; ")}}
}

// mostShown is how many bytes of an input or a result are shown.
const mostShown = 64 << 10

// pretty is JSON on several lines, cut where it is long.
func pretty(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		b.Reset()
		b.Write(raw)
	}
	if b.Len() > mostShown {
		return strings.ToValidUTF8(string(b.Bytes()[:mostShown]), "") + "\n… " + Count(b.Len()-mostShown) + " more bytes; all of it: starter describe ID --json"
	}
	return b.String()
}
