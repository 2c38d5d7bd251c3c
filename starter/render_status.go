package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/internal/overview"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

func renderStatus(w io.Writer, r overview.Status, now time.Time) {
	renderShard(w, r.ShardStatus, "dispatcher", now)
	for _, other := range r.Others {
		_, _ = fmt.Fprintln(w)
		name := fmt.Sprintf("shard %d", other.Shard)
		if other.Surplus {
			name += ", ending"
		}
		renderShard(w, other, name, now)
	}
	if f := r.Recovery; f != nil {
		fields(w, "recovery", "fails since "+relative(&f.Since, now)+": "+strings.Join(strings.Fields(f.Error), " "))
	}
	if len(r.Pauses) > 0 {
		_, _ = fmt.Fprintln(w)
		renderPauses(w, nil, r.Pauses, now)
	}
	_, _ = fmt.Fprintln(w)
	renderWorkspaces(w, r.Workspaces, overview.EndedWindow)
	names := workspaceNames{}
	for _, u := range r.Workspaces {
		names[u.ID] = workspaceName{u.Name, deref(u.ExternalKey)}
	}
	renderUnserved(w, r.Unserved, names, now)
	for i, m := range r.MissingTypes {
		if i == 0 {
			_, _ = fmt.Fprintln(w)
		}
		_, _ = fmt.Fprintf(w, "%s, which %s of %s\n", noWorkerHosts(m.WorkflowType),
			plural(m.Executions, "execution needs", "executions need"), oneLine(cmp.Or(names[m.WorkspaceID].name, m.WorkspaceID.String()), 100))
	}
}

// renderUnserved tells what no worker carries on, and why.
func renderUnserved(w io.Writer, unserved []facts.UnservedExecution, names workspaceNames, now time.Time) {
	if len(unserved) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w)
	rows := make([][]string, len(unserved))
	for i, u := range unserved {
		workspace, name := names.of(u.WorkspaceID)
		rows[i] = []string{u.ID.String(), workspace, name, span(max(now.Sub(u.Since), 0)), oneLine(u.What, 300)}
	}
	table(w, []string{"UNSERVED", "WORKSPACE", "NAME", "FOR", "WHY"}, rows)
}

func noWorkerHosts(workflowType string) string {
	return fmt.Sprintf("no worker hosts workflow type %q", workflowType)
}

func renderShard(w io.Writer, s overview.ShardStatus, name string, now time.Time) {
	d := s.Dispatcher
	if d == nil {
		fields(w, name, s.DispatcherError)
		return
	}
	fields(w,
		name, dispatcherText(*d, now),
		"totals", totalsText(d.Totals),
		"tunables", tunablesText(d.Tunables),
		"slowed down", slowedText(*d),
		"waiting", waitingText(d.Waiting),
		"last error", lastErrorText(*d, now),
		"web ui", s.WebURL)
}

func dispatcherText(s workflows.Status, now time.Time) string {
	text := string(s.Phase)
	if s.Pause != nil {
		text += fmt.Sprintf(" by %s %s", s.Pause.Actor, relative(&s.Pause.Since, now))
		if s.Pause.Reason != "" {
			text += " (" + s.Pause.Reason + ")"
		}
	}
	text += fmt.Sprintf(", cycle %d", s.Cycle)
	if s.LastWork != nil {
		text += ", last dispatched " + relative(s.LastWork, now)
	}
	return text
}

func totalsText(t workflows.Totals) string {
	return fmt.Sprintf("%d claimed, %d started, %d requeued, %d failed, %d expired", t.Claimed, t.Started, t.Requeued, t.Failed, t.Expired)
}

// slowedText says that Temporal does not take what the tunables allow.
func slowedText(s workflows.Status) string {
	if s.Batch == 0 {
		return ""
	}
	return fmt.Sprintf("batch size %d at present: Temporal did not take %d", s.Batch, s.Tunables.BatchSize)
}

func waitingText(byReason map[string]int) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		parts = append(parts, plural(byReason[reason], "workspace", "workspaces")+" "+reason)
	}
	return strings.Join(parts, ", ")
}

func lastErrorText(s workflows.Status, now time.Time) string {
	if s.LastError == "" {
		return ""
	}
	text := strings.Join(strings.Fields(s.LastError), " ")
	if s.LastErrorAt != nil {
		text = relative(s.LastErrorAt, now) + ": " + text
	}
	return text
}

func renderWorkspaces(w io.Writer, workspaces []facts.WorkspaceUsage, window time.Duration) {
	if len(workspaces) == 0 {
		_, _ = fmt.Fprintln(w, "no workspaces; create one with: starter workspace create NAME --key KEY --plan PLAN")
		return
	}
	rows, sharded, keyed := make([][]string, len(workspaces)), false, false
	for i, u := range workspaces {
		sharded, keyed = sharded || u.Shard > 0, keyed || u.ExternalKey != nil
		wait := ""
		if u.LongestMS > 0 {
			wait = span(time.Duration(u.LongestMS) * time.Millisecond)
		}
		rows[i] = []string{u.ID.String(), u.Name, u.Plan, fmt.Sprint(u.Pending), fmt.Sprintf("%d/%d", u.Running, u.Limit),
			fmt.Sprint(u.Done), fmt.Sprint(u.NotSuccess), fmt.Sprint(u.Refused), wait, deref(u.Reason)}
	}
	head := []string{"WORKSPACE", "NAME", "PLAN", "PENDING", "RUNNING", "DONE", "FAILED", "REFUSED", "LONGEST WAIT", "WHY"}
	if keyed {
		head = slices.Insert(head, 2, "KEY")
		for i, u := range workspaces {
			rows[i] = slices.Insert(rows[i], 2, deref(u.ExternalKey))
		}
	}
	if sharded {
		head = append(head, "SHARD")
		for i, u := range workspaces {
			rows[i] = append(rows[i], fmt.Sprint(u.Shard))
		}
	}
	table(w, head, rows)
	if window > 0 {
		_, _ = fmt.Fprintf(w, "\nDONE, FAILED and REFUSED count the last %s; for more: starter workspace list --since 24h\n", span(window))
	}
}
