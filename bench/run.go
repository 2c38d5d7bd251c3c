package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/internal/devstack"
)

// figure is one result of one run of a scenario.
type figure struct {
	name  string // within the scenario
	unit  string
	value float64
}

// scenario measures something within one run.
type scenario struct {
	name  string
	about string // for the report: what is compared with what
	run   func(ctx context.Context, b *bench) ([]figure, error)
}

// scenarios in the order they run in: what needs no server first.
var scenarios = []scenario{
	{"fairness", aboutFairness, fairness},
	{"heldopen", aboutHeldOpen, heldOpen},
	{"enqueue", aboutEnqueue, enqueue},
	{"engine", aboutEngine, engine},
	{"claim", aboutClaim, claim},
	{"load", aboutLoad, load},
	{"events", aboutEvents, events},
	{"throughput", aboutThroughput, throughput},
	{"dashboard", aboutDashboard, dashboardOpen},
	{"history", aboutHistory, historyAnswers},
	{"refill", aboutRefill, refill},
	{"latency", aboutLatency, latency},
	{"workflows", aboutWorkflows, ownWorkflows},
	{"estimates", aboutEstimates, estimateStarts},
}

// choose returns the named scenarios in the order they run in, or all.
func choose(names []string) ([]scenario, error) {
	if len(names) == 0 {
		return scenarios, nil
	}
	var chosen []scenario
	var known []string
	for _, s := range scenarios {
		known = append(known, s.name)
		if slices.Contains(names, s.name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("--only: there is no scenario %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}

// bench is what the scenarios of a run share.
type bench struct {
	scale    scale
	dir      string // for the data of servers
	progress func(format string, args ...any)

	server string // URL of the PostgreSQL in which scenarios create databases; empty until one is needed
	stop   func() error
	made   int // databases and stacks so far

	machine machine
}

// execute runs the scenarios, writes the report, and returns errMissed when a full run misses a gate.
func execute(ctx context.Context, o options, chosen []scenario, stdout, stderr io.Writer) (err error) {
	gates, err := readGates()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return fmt.Errorf("make a directory for the servers: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// PostgreSQL does not run as root; where we do, it must be able to enter as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open the directory to PostgreSQL: %w", err)
	}
	b := &bench{scale: o.scale, dir: dir, server: o.server, machine: thisMachine(), progress: func(format string, args ...any) {
		_, _ = fmt.Fprintf(stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}}
	defer func() { err = errors.Join(err, b.close()) }()

	r := report{options: o, began: time.Now()}
	for _, s := range chosen {
		results, err := b.repeat(ctx, s, o.repeat)
		if err != nil {
			return fmt.Errorf("scenario %s: %w", s.name, err)
		}
		section, err := judge(s, results, gates)
		if err != nil {
			return err
		}
		r.sections = append(r.sections, section)
	}
	r.machine = b.machine
	r.took = time.Since(r.began)
	if err := r.markdown(stdout); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if o.svg != "" {
		if err := os.WriteFile(o.svg, []byte(r.chart()), 0o644); err != nil {
			return fmt.Errorf("write the chart: %w", err)
		}
	}
	if o.scale == full && r.missed() > 0 {
		return errMissed
	}
	return nil
}

// repeat runs a scenario so many times, each from nothing.
func (b *bench) repeat(ctx context.Context, s scenario, times int) (results [][]figure, err error) {
	for n := range times {
		b.progress("%s, run %d of %d", s.name, n+1, times)
		figures, err := s.run(ctx, b)
		if err != nil {
			return nil, err
		}
		for _, f := range figures {
			b.progress("  %s.%s %s", s.name, f.name, withUnit(f.value, f.unit))
		}
		results = append(results, figures)
	}
	return results, nil
}

// postgres returns the server for scenarios that need no Temporal: one on disk, with fsync, if none was given.
func (b *bench) postgres(ctx context.Context) (url string, err error) {
	if b.server == "" {
		server, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{Dir: filepath.Join(b.dir, "postgres"), Progress: b.progress})
		if err != nil {
			return "", err
		}
		b.server, b.stop = server.URL, server.Close
	}
	return b.server, b.sawPostgres(ctx, b.server)
}

func (b *bench) close() error {
	if b.stop == nil {
		return nil
	}
	return b.stop()
}

// next numbers what is made.
func (b *bench) next() int {
	b.made++
	return b.made
}
