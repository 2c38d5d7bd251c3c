package page

import (
	"fmt"
	"strings"

	"github.com/a-h/templ"

	"sluice/admin"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/series"
	"sluice/workflows"
)

// Links lead out of the dashboard.
type Links struct {
	Dispatcher func(shard int) templ.SafeURL
	Workflow   func(workflowID, runID string) templ.SafeURL
}

func startsOf(s *series.Snapshot) (n int) {
	for _, p := range s.Plans {
		n += p.Starts
	}
	return n
}

func failedIn(s *series.Snapshot) (n int) {
	for _, p := range s.Points {
		n += p.Failed
	}
	return n
}

func longestText(s *series.Snapshot) string {
	if s.Longest <= 0 {
		return "nothing that could start waits"
	}
	return "an item of " + OneLine(nameOf(s, s.LongestOf), 40)
}

func longestAt(s *series.Snapshot) templ.SafeURL {
	if s.Longest <= 0 {
		return ItemsAt("status", "PENDING")
	}
	return WorkspaceAt(s.LongestOf)
}

func runningText(s *series.Snapshot) string {
	if s.Global == nil {
		return "slots held; no global limit"
	}
	return fmt.Sprintf("slots of %s, %s", Count(*s.Global), Percent(s.Running, *s.Global))
}

func isOfAll(p admin.Pause) bool { return Whole(p, none) }

// well tells whether there is nothing that needs attention.
func well(s *series.Snapshot) bool {
	for _, d := range s.Dispatchers {
		if d.Status == nil || d.Status.Pause != nil || d.Status.Phase == workflows.PhaseBackingOff || d.Status.Batch > 0 {
			return false
		}
	}
	return len(s.Dispatchers) > 0 && s.Failing == nil && len(s.Missing) == 0 && s.Unanswered == 0 && s.Unserved == 0
}

func dispatcherName(d series.Dispatcher, s *series.Snapshot) string {
	if len(s.Dispatchers) == 1 {
		return "The dispatcher"
	}
	return fmt.Sprintf("The dispatcher of shard %d", d.Shard)
}

func phaseClass(d series.Dispatcher) string {
	switch d.Status.Phase {
	case workflows.PhaseBackingOff:
		return "bad"
	case workflows.PhasePaused, workflows.PhaseStopping:
		return "warn"
	}
	return "good"
}

func reasonGiven(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + OneLine(reason, 200) + ")"
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func typesText(w figures.Worker) string {
	switch {
	case w.AnyWorkflow:
		return "any"
	case len(w.WorkflowTypes) == 0:
		return "–"
	}
	return strings.Join(w.WorkflowTypes, ", ")
}
