package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// Each system runs each item once and records its outcome (a run fails otherwise), and one with a cap keeps it.
func TestEverySystemDoesTheWork(t *testing.T) {
	b := &bench{server: devtest.Postgres(t), progress: t.Logf}
	tiny := size{workspaces: 6, each: 12, limit: 3}
	for _, s := range systems {
		t.Run(s.name+" "+s.setting, func(t *testing.T) {
			r, err := b.run(t.Context(), s, tiny)
			require.NoError(t, err)
			require.Positive(t, r.rate)
			switch {
			case !s.capped:
				require.Equal(t, tiny.each, r.atOnce, "what is there is fetched at once")
			case s.module == dbosModule:
				// The times of its records are the beginnings of transactions, which may cross by a moment.
				require.Less(t, r.atOnce, tiny.each)
			default:
				require.LessOrEqual(t, r.atOnce, tiny.limit)
			}
		})
	}
}

func TestWorkIsCheckedByItem(t *testing.T) {
	t.Parallel()
	w := newWork(size{workspaces: 2, each: 2, limit: 1})
	for _, item := range []int{0, 1, 3} {
		w.run(item)
	}
	require.ErrorContains(t, w.check(), "item 2 of workspace 1 ran 0 times")
	w.run(2)
	require.NoError(t, w.check())
	<-w.done
	w.run(1)
	require.ErrorContains(t, w.check(), "item 1 of workspace 0 ran 2 times")
}

func TestRecordsTellWhatRanAtOnce(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), devtest.Postgres(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	held := func(rows ...string) records {
		return records{held: `SELECT workspace, timestamptz '2026-01-01Z' + began * interval '1 s' AS began, timestamptz '2026-01-01Z' + ended * interval '1 s' AS ended
			FROM (VALUES ` + strings.Join(rows, ", ") + `) AS r (workspace, began, ended)`}
	}
	first := time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC)
	for name, c := range map[string]struct {
		rows   []string
		atOnce int
	}{
		"one after the other":       {[]string{"('a', 1, 2)", "('a', 2, 3)", "('a', 5, 6)"}, 1},
		"one within the other":      {[]string{"('a', 1, 9)", "('a', 2, 3)", "('a', 4, 5)"}, 2},
		"all of a workspace":        {[]string{"('a', 1, 4)", "('a', 2, 5)", "('a', 3, 6)"}, 3},
		"each workspace for itself": {[]string{"('a', 1, 9)", "('b', 1, 9)", "('c', 1, 9)"}, 1},
	} {
		sum, err := held(c.rows...).read(t.Context(), conn)
		require.NoError(t, err)
		require.Equal(t, c.atOnce, sum.atOnce, name)
		require.Equal(t, len(c.rows), sum.items, name)
		require.True(t, first.Equal(sum.began), name)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := report{options: options{scale: full, repeat: 3}, postgres: "PostgreSQL 15.1 (fsync on)", results: make([][]result, len(systems))}
	for i := range systems {
		r.results[i] = []result{{rate: 20_000, atOnce: 9}, {rate: 10_000, atOnce: 10}, {rate: 30_000, atOnce: 8}}
	}
	last := len(systems) - 1
	r.results[last] = []result{{rate: 5_000, atOnce: 30}, {rate: 5_000, atOnce: 30}, {rate: 5_000, atOnce: 29}}
	var text strings.Builder
	require.NoError(t, r.markdown(&text))
	require.Contains(t, text.String(), "| Sluice | this one | batches of 100 | 20,000 | 10,000 to 30,000 | 1 | 10 |")
	require.Contains(t, text.String(), "| "+systems[last].setting+" | 5,000 |  | 0.25 | 30, no cap |")
	require.NotContains(t, text.String(), "say nothing")

	r.options.scale = small
	require.NoError(t, r.markdown(&text))
	require.Contains(t, text.String(), "say nothing")
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"small or full":         {"--scale", "tiny"},
		"at least 1":            {"--repeat", "0"},
		`unknown command "all"`: {"all"},
	} {
		cmd := newCommand()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		require.ErrorContains(t, cmd.ExecuteContext(t.Context()), want)
	}
}
