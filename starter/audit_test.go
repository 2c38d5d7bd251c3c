package main

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/operate/operatetest"
)

func TestAudit(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	c.ok("start")
	id := uuid.MustParse(c.enqueue())
	require.Contains(t, c.ok("audit"), "\n0 violations at ")
	healthy := c.object("audit")
	require.EqualValues(t, 0, healthy["violations"])
	require.Equal(t, true, healthy["complete"])
	require.Len(t, healthy["invariants"], 5)

	claim(t, c) // and its workflow is not started
	out := c.run("audit", "--grace", "100ms", "--json")
	require.Equal(t, exitFailed, out.code)
	require.Empty(t, out.stderr)
	var found struct {
		Violations int
		Invariants []struct {
			Invariant, Violations int
			Offenders             []struct{ ID, What string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &found))
	require.Equal(t, 1, found.Violations)
	require.Equal(t, 3, found.Invariants[2].Invariant)
	require.Equal(t, id.String(), found.Invariants[2].Offenders[0].ID)
	out = c.run("audit", "--grace", "100ms")
	require.Equal(t, exitFailed, out.code)
	require.Contains(t, out.stdout, id.String()+"  it holds a slot, but its workflow is missing")
}

func TestAuditWithoutTemporal(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	out := c.run("audit")
	require.Equal(t, exitUnreachable, out.code)
	require.Contains(t, out.stdout, "3: could not check: what Temporal knows: cannot use Temporal at 127.0.0.1:1: connection refused")

	id := c.enqueue()
	claim(t, c)
	c.exec(`UPDATE sluice.running SET dispatched_at = now()`)
	out = c.run("audit")
	require.Equal(t, exitFailed, out.code, "a violation is worse than what is not known")
	require.Contains(t, out.stdout, id+"  it holds a slot and was started, but without a run id")
}
