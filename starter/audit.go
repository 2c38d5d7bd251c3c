package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/audit"
	"sluice/internal/operate"
)

// auditResult is what audit prints.
type auditResult struct {
	*audit.Report
	Violations int64 `json:"violations"`
	Complete   bool  `json:"complete"` // everything could be checked
}

func (a *app) auditCommand() *cobra.Command {
	var options operate.AuditOptions
	command := &cobra.Command{
		Use: "audit", Short: "Count violations of what Sluice promises", Args: exactly(),
		Long: "Check what Sluice promises, from Postgres and Temporal, and change nothing:\n" +
			"  1  an item is in one place, and its workflow runs only while its execution is open\n" +
			"  2  no claim has taken a workspace, a cohort or all of them above the limit that was in force\n" +
			"  3  a slot is held if and only if its execution is open, in Postgres and in Temporal\n" +
			"  4  no ready item waits beside a free slot while the dispatcher runs and is not paused\n" +
			"  6  no execution runs another workspace's definition\n" +
			"The fifth, that nothing enqueued is ever lost, is part of the first as far as it can be seen from inside.\n\n" +
			"What looks wrong counts only if it still is after --grace, because something is always on its way between the\n" +
			"two servers. A burst that takes longer than that to start counts under 4. The exit code is 1 when a violation\n" +
			"was found; otherwise 4 when something could not be checked, for example because Temporal is down.",
		Annotations: map[string]string{unbounded: "without --since it reads every execution there is"},
	}
	command.Flags().DurationVar(&options.Grace, "grace", operate.DefaultGrace, "how long something may be on its way")
	command.Flags().DurationVar(&options.Since, "since", 0, "look only at what is open or has happened in the last so long; 0 for all")
	return a.does(command, func(ctx context.Context, _ []string) error {
		switch {
		case options.Grace <= 0:
			return usage("--grace must be positive, got %s", options.Grace)
		case options.Since < 0:
			return usage("--since must not be negative, got %s", options.Since)
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		report, err := operate.Audit(ctx, pool, a.client, options)
		if err != nil {
			return err
		}
		result := auditResult{Report: report, Violations: report.Violations(), Complete: report.Complete()}
		if err := a.result(result, func(w io.Writer) { renderAudit(w, report) }); err != nil {
			return err
		}
		switch {
		case result.Violations > 0:
			return codeError(exitFailed)
		case !result.Complete:
			return codeError(exitUnreachable)
		}
		return nil
	})
}

func renderAudit(w io.Writer, report *audit.Report) {
	rows := make([][]string, len(report.Findings))
	for i, f := range report.Findings {
		rows[i] = []string{fmt.Sprintf("%d %s", f.Invariant, f.Name), fmt.Sprint(f.Checked), fmt.Sprint(f.Violations)}
	}
	table(w, []string{"INVARIANT", "CHECKED", "VIOLATIONS"}, rows)
	for _, f := range report.Findings {
		if f.Violations == 0 {
			continue
		}
		of := ""
		if f.Violations > int64(len(f.Offenders)) {
			of = fmt.Sprintf(", of which the first %d", len(f.Offenders))
		}
		_, _ = fmt.Fprintf(w, "\n%d: %s%s\n", f.Invariant, plural(int(f.Violations), "violation", "violations"), of)
		rows := make([][]string, len(f.Offenders))
		for i, b := range f.Offenders {
			rows[i] = []string{b.ID.String(), b.What}
		}
		table(w, []string{"ITEM", "WHAT"}, rows)
	}
	renderRemarks(w, "could not check", report, func(f *audit.Finding) []string { return f.Unchecked })
	renderRemarks(w, "note", report, func(f *audit.Finding) []string { return f.Notes })
	_, _ = fmt.Fprintf(w, "\n%s at %s\n", plural(int(report.Violations()), "violation", "violations"), report.At.UTC().Format(time.RFC3339))
}

// renderRemarks prints one kind of remark on all findings.
func renderRemarks(w io.Writer, kind string, report *audit.Report, remarks func(*audit.Finding) []string) {
	for _, f := range report.Findings {
		for _, remark := range remarks(f) {
			_, _ = fmt.Fprintf(w, "\n%d: %s: %s\n", f.Invariant, kind, remark)
		}
	}
}
