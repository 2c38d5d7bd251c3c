package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processorTime is what this process has used so far; its children, the servers, are not in it.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// serverTime is what all processes of a PostgreSQL server have used so far, one of which is given. It returns false for a server
// on another machine, and where the system has no /proc.
func serverTime(backend int) (used time.Duration, ok bool) {
	given, ok := readProcess(backend)
	if !ok || !strings.HasPrefix(given.command, "postgres") {
		return 0, false
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		id, _ := strconv.Atoi(filepath.Base(dir))
		switch p, _ := readProcess(id); {
		case id == given.parent:
			used += p.used + p.children // those that have ended are in the parent's account
		case p.parent == given.parent:
			used += p.used
		}
	}
	return used, true
}

// spent is the processor time of this process and of the servers that it has started.
type spent struct{ process, postgres, temporal time.Duration }

// spentSoFar is what they have used so far; nothing is known of the servers where the system has no /proc.
func spentSoFar() spent {
	all := map[int]process{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		id, _ := strconv.Atoi(filepath.Base(dir))
		if p, ok := readProcess(id); ok {
			all[id] = p
		}
	}
	s := spent{process: processorTime()}
	for id, p := range all {
		ours := false
		for above := p.parent; above > 1 && !ours; above = all[above].parent {
			ours = above == os.Getpid()
		}
		switch {
		case !ours || id == os.Getpid():
		case strings.HasPrefix(p.command, "postgres"):
			s.postgres += p.used + p.children
		case strings.HasPrefix(p.command, "temporal"):
			s.temporal += p.used
		}
	}
	return s
}

func (s *spent) add(from, to spent) {
	s.process += to.process - from.process
	s.postgres += to.postgres - from.postgres
	s.temporal += to.temporal - from.temporal
}

// process is a process as /proc/<id>/stat shows it.
type process struct {
	command        string
	parent         int
	used, children time.Duration
}

// tick is the unit of the times there, on every Linux that Go runs on.
const tick = 10 * time.Millisecond

func readProcess(id int) (p process, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return p, false
	}
	// The command stands in brackets, and may contain blanks and brackets itself.
	head, tail, _ := strings.Cut(string(raw), "(")
	end := strings.LastIndex(tail, ")")
	if head == "" || end < 0 {
		return p, false
	}
	fields := strings.Fields(tail[end+1:]) // from the third on
	if len(fields) < 15 {
		return p, false
	}
	ticks := func(field int) time.Duration {
		n, _ := strconv.ParseInt(fields[field-3], 10, 64)
		return time.Duration(n) * tick
	}
	p.command = tail[:end]
	p.parent, _ = strconv.Atoi(fields[1])
	p.used, p.children = ticks(14)+ticks(15), ticks(16)+ticks(17)
	return p, true
}

// trial is what executions took, over one or several times.
type trial struct {
	ended            int
	took             time.Duration
	process, servers time.Duration // processor time of this process, and of the server's
	unknown          bool          // the server's cannot be read
	wal              float64       // bytes
	checkpoint       bool          // there was one, and images of pages are in the WAL
}

// measured runs something that returns how many executions it has brought to their end.
func (d *database) measured(ctx context.Context, run func() (int, error)) (t trial, err error) {
	before, err := d.usage(ctx)
	if err != nil {
		return t, err
	}
	began, process := time.Now(), processorTime()
	if t.ended, err = run(); err != nil {
		return t, err
	}
	t.took, t.process = time.Since(began), processorTime()-process
	after, err := d.usage(ctx)
	t.servers, t.unknown = after.used-before.used, !before.known
	t.wal, t.checkpoint = after.wal-before.wal, before.redo != after.redo
	return t, err
}

// usage is what a server has used so far.
type usage struct {
	used  time.Duration // processor time, if it is known
	known bool
	wal   float64 // bytes
	redo  string  // where the last checkpoint began in the WAL
}

func (d *database) usage(ctx context.Context) (u usage, err error) {
	var backend int
	err = d.pool.QueryRow(ctx, `SELECT pg_backend_pid(), (pg_current_wal_insert_lsn() - '0/0')::float8, redo_lsn::text FROM pg_control_checkpoint()`).
		Scan(&backend, &u.wal, &u.redo)
	if err != nil {
		return u, fmt.Errorf("ask PostgreSQL what it has used: %w", err)
	}
	u.used, u.known = serverTime(backend)
	return u, nil
}

func (t *trial) add(o trial) {
	t.ended += o.ended
	t.took += o.took
	t.process += o.process
	t.servers += o.servers
	t.unknown = t.unknown || o.unknown
}

// rate is executions per second.
func (t trial) rate() float64 { return float64(t.ended) / t.took.Seconds() }

// each is a time by execution, in microseconds.
func (t trial) each(all time.Duration) float64 {
	return float64(all) / float64(time.Microsecond) / float64(t.ended)
}

// costs are the processor times of each execution.
func (t trial) costs(prefix string) []figure {
	servers := t.each(t.servers)
	if t.unknown {
		servers = math.NaN()
	}
	return []figure{
		{prefix + ".cpu", "µs", servers + t.each(t.process)},
		{prefix + ".cpu.postgres", "µs", servers}, {prefix + ".cpu.go", "µs", t.each(t.process)},
	}
}

// inTurn does things so often each, in turn: a b c c b a a b c and so on. What grows with the time is then the same for all.
func inTurn(turns int, ways ...func() error) error {
	ways = slices.Clone(ways)
	for range turns {
		for _, way := range ways {
			if err := way(); err != nil {
				return err
			}
		}
		slices.Reverse(ways)
	}
	return nil
}
