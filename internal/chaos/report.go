package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"sluice/internal/audit"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/plan"
	mending "sluice/internal/recovery"
)

// most is how many violations of one promise the report names.
const most = 20

// report writes what was done and found, in Markdown.
func (c *chaos) report(out io.Writer, s summary) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	p("## Chaos run\n")
	p("    %s\n", c.command())
	c.reportFaults(p)
	c.reportTotals(p, s)
	c.reportPromises(p, s)
	p("chaos: %d faults, %d executions, %d violations", len(c.recoveries), s.executions(), len(c.violations))
}

// command repeats this run.
func (c *chaos) command() string {
	words := fmt.Sprintf("go run ./internal/chaos --seed %d --duration %s --workers %d --rate %g", c.seed, c.duration, c.workers, c.rate)
	if len(c.kinds) > 0 {
		list := make([]string, len(c.kinds))
		for i, kind := range c.kinds {
			list[i] = string(kind)
		}
		words += " --kinds " + strings.Join(list, ",")
	}
	return words
}

func (c *chaos) reportFaults(p func(string, ...any)) {
	p("| fault | injected | recovered | violations | over 10 s | median | p99 | worst | restarted | beside | worst of all |")
	p("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	line := func(name string, r row) {
		p("| %s | %d | %d | %d | %d | %s | %s | %s | %d | %d | %s |", name, r.injected, r.recovered, r.injected-r.recovered, r.late,
			seconds(r.median), seconds(r.p99), seconds(r.worst), r.restarted, r.beside, seconds(r.worstWall))
	}
	for _, kind := range plan.Kinds() {
		of := slices.DeleteFunc(slices.Clone(c.recoveries), func(r recovery) bool { return r.fault.Kind != kind })
		if len(of) > 0 {
			line(string(kind), rowOf(of))
		}
	}
	line("**all**", rowOf(c.recoveries))
	p("\nRecovery is the time from the moment the parts are back until a probe has run from the queue to its outcome and the")
	p("fault's victim, if it has one, holds a slot no longer (after a reset: exactly while its workflow is open). An outage of")
	p("another fault in between starts the clock again, as often as `restarted` says. `beside` is how many were over while another")
	p("fault still kept a part away: these count as `over 10 s` only if they took so long before that. `worst of all` is the longest time")
	p("by a clock that is never started again.\n")
	for _, kind := range slices.Sorted(maps.Keys(c.skipped)) {
		p("- %s was not injected, %d of the times that were planned: there was nothing to do it to", kind, c.skipped[kind])
	}
	if len(c.skipped) > 0 {
		p("") // a table after a list needs it
	}
}

func (c *chaos) reportTotals(p func(string, ...any), s summary) {
	p("| | |")
	p("|---|---|")
	p("| seed, duration | %d, %s |", c.seed, c.duration)
	p("| requests | %d: %d acknowledged, %d rolled back, %d without an answer |", s.tickets.Issued, s.tickets.Acknowledged, s.tickets.RolledBack, s.tickets.Unanswered)
	var statuses []string
	for _, status := range slices.Sorted(maps.Keys(s.statuses)) {
		statuses = append(statuses, fmt.Sprintf("%d %s", s.statuses[status], status))
	}
	p("| items | %s |", strings.Join(statuses, ", "))
	p("| executions | %d, with %d runs in Temporal |", s.executions(), s.runs)
	var replayed []string
	for _, kind := range slices.Sorted(maps.Keys(s.replayed)) {
		replayed = append(replayed, fmt.Sprintf("%d %s", s.replayed[kind], kind))
	}
	p("| histories replayed | %s |", strings.Join(replayed, ", "))
	p("| ends of workflows of one's own | learnt %d times by callback, %d times by recovery |", s.learnt[mending.ByCallback], s.learnt[mending.ByPass])
	p("| longest backlog | %d |", s.peak)
	p("| longest wait beside a free slot, all parts there | %s |\n", seconds(s.longest))
}

// reportPromises has a line for each promise, and the offenders.
func (c *chaos) reportPromises(p func(string, ...any), s summary) {
	var promises []string
	for _, f := range audit.NewReport(time.Time{}).Findings {
		promises = append(promises, f.Name)
	}
	promises = append(append(promises, ledger.Promises()...), promiseProgress, promiseCuts, promiseTerms, promiseBulk, promiseRecovers, promiseReplays, promiseLives, promiseAnswers,
		promiseBeside, promiseLearnt, promiseCalled, promiseAnswered, promisePaired)
	of := map[string][]ledger.Violation{}
	for _, v := range c.violations {
		of[v.Promise] = append(of[v.Promise], v)
	}
	p("| promise | violations |")
	p("|---|---:|")
	for _, promise := range promises {
		p("| %s | %d |", promise, len(of[promise]))
	}
	p("")
	for _, promise := range promises {
		if len(of[promise]) == 0 {
			continue
		}
		p("%s:\n", promise)
		for _, v := range of[promise][:min(most, len(of[promise]))] {
			p("- `%s` %s", v.ID, strings.ReplaceAll(v.What, "\n", " "))
		}
		p("")
	}
	for _, note := range s.notes {
		p("Note: %s\n", note)
	}
}

func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// quantile is the smallest of the durations that at least so large a share of them does not exceed; 0 of none.
func quantile(durations []time.Duration, share float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// row is what is known of the recoveries from one kind of fault.
type row struct {
	injected, recovered, late, restarted, beside int
	median, p99, worst, worstWall                time.Duration
}

// rowOf sums recoveries up. Those that did not come have no time.
func rowOf(recoveries []recovery) row {
	var r row
	var took []time.Duration
	for _, one := range recoveries {
		r.injected++
		if one.waiting != "" {
			continue
		}
		r.recovered++
		took = append(took, one.took)
		r.worstWall = max(r.worstWall, one.wall)
		if one.beside {
			r.beside++
		}
		if one.took > recoveryPromise && (!one.beside || one.whole > recoveryPromise) {
			r.late++
		}
		if one.restarted {
			r.restarted++
		}
	}
	r.median, r.p99, r.worst = quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1)
	return r
}
