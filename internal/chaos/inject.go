package main

import (
	"context"
	"fmt"
	"time"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
)

// injector does one kind of fault. It returns when the parts are back, or at once when others take over, and what must
// come true again. An error says that the fault could not be injected: there was no victim.
type injector func(ctx context.Context, f plan.Fault) (aftermath, error)

func (c *chaos) injectors() map[plan.Kind]injector {
	return map[plan.Kind]injector{
		plan.WorkerKill:             c.onWorker(c.anyWorker, c.killWorker),
		plan.WorkerKillDispatcher:   c.onWorker(c.dispatchersWorker, c.killWorker),
		plan.WorkerFreeze:           c.onWorker(c.anyWorker, c.freezeWorker),
		plan.WorkerFreezeDispatcher: c.onWorker(c.dispatchersWorker, c.freezeWorker),
		plan.WorkerStop:             c.onWorker(c.anyWorker, c.stopWorker),
		plan.CutPostgres:            c.onWorker(c.anyWorker, disturb(c, toPostgres, cut)),
		plan.CutTemporal:            c.onWorker(c.anyWorker, disturb(c, toTemporal, cut)),
		plan.StallPostgres:          c.onWorker(c.anyWorker, disturb(c, toPostgres, stall)),
		plan.StallTemporal:          c.onWorker(c.anyWorker, disturb(c, toTemporal, stall)),
		plan.HalfOpenPostgres:       c.onWorker(c.anyWorker, swallow(c, toPostgres)),
		plan.HalfOpenTemporal:       c.onWorker(c.anyWorker, swallow(c, toTemporal)),
		plan.HalfOpenListener:       c.swallowListener,
		plan.ProxyAnswers:           c.answerForTemporal,
		plan.VisibilityAway:         c.hideVisibility,
		plan.CallbackCut:            c.cutCallbacks,
		plan.CallbackForged:         c.forgeCallbacks,
		plan.ClockAhead:             c.leaveFuture,
		plan.ForeignNamespace:       c.startElsewhere,
		plan.PoisonedRows:           c.poisonRows,
		plan.ConnectionsKill:        c.killConnections,
		plan.ClaimKill:              c.killClaim,
		plan.HeldTurn:               c.holdClaim,
		plan.StaleClaims:            c.leaveClaims,
		plan.TemporalKill:           c.killTemporal,
		plan.PostgresKill:           c.killPostgres,
		plan.PostgresStop:           c.stopPostgres,
		plan.ExecutionTerminate:     c.terminateExecution,
		plan.ExecutionCancel:        c.cancelExecution,
		plan.ExecutionDelete:        c.deleteExecution,
		plan.ExecutionTimeout:       c.timeOutExecution,
		plan.ExecutionReset:         c.resetOpen,
		plan.ExecutionResetClosed:   c.resetClosed,
		plan.ExecutionResetMany:     c.resetMany,
		plan.DispatcherTerminate:    c.terminateDispatcher,
		plan.ShardsChange:           c.changeShards,
		plan.TierCut:                c.cutTier,
		plan.TierRaise:              c.raiseTier,
		plan.LimitCut:               c.cutToNothing,
		plan.LimitStorm:             c.stormLimits,
		plan.GlobalLimit:            c.limitAll,
		plan.Pause:                  c.pause,
		plan.PauseEverything:        c.pauseOne,
		plan.PauseWorkspace:         c.pauseOne,
		plan.PauseType:              c.pauseOne,
		plan.PauseWorkspaceType:     c.pauseOne,
		plan.PauseDefinition:        c.pauseOne,
		plan.PauseWithin:            c.pauseWithin,
		plan.PauseFor:               c.pauseFor(nil),
		plan.PauseForKill:           c.pauseFor(c.killWorker),
		plan.PauseForStop:           c.pauseFor(c.stopWorker),
		plan.Drain:                  c.drain,
		plan.TemporaryLimit:         c.limitForATime,
		plan.BulkCancel:             c.cancelMany,
		plan.BulkReplay:             c.replayMany,
		plan.DuplicateEnqueue:       c.enqueueDuplicates,
		plan.RetryRefused:           c.retryRefused,
		plan.OldSnapshot:            c.holdSnapshot,
	}
}

// The parts that faults act on.
const (
	partPostgres   = "postgres"
	partTemporal   = "temporal"
	partDispatcher = "the dispatcher"
	partGlobal     = "the global limit"
	partCallbacks  = "the callbacks"
)

func partPlan(n int) string               { return "the limits of plan " + planName(n) }
func partPlace(p place) string            { return fmt.Sprintf("the limits of workspace %s", p.workspace) }
func partWorker(w *cluster.Worker) string { return fmt.Sprintf("worker %d", w.Number) }

// injectAll injects the faults when they are due until injecting ends, and then waits until every one of them has been
// got over. Faults overlap: each has its own goroutine.
func (c *chaos) injectAll(ctx, injecting context.Context) {
	injectors := c.injectors()
	for _, f := range c.faults {
		if cluster.Sleep(injecting, time.Until(c.began.Add(f.At))) != nil {
			return
		}
		c.background.Go(func() { c.suffer(ctx, f, injectors[f.Kind]) })
	}
}

// suffer injects one fault and measures how it is got over.
func (c *chaos) suffer(ctx context.Context, f plan.Fault, inject injector) {
	a, err := inject(ctx, f)
	if err != nil {
		if ctx.Err() == nil {
			c.say("#%d %s not injected: %v", f.Number, f.Kind, err)
		}
		c.mu.Lock()
		c.skipped[string(f.Kind)]++
		c.mu.Unlock()
		return
	}
	r := c.recover(ctx, f, a)
	if ctx.Err() != nil {
		return // the run was broken off: nothing can be said
	}
	c.mu.Lock()
	c.recoveries = append(c.recoveries, r)
	c.mu.Unlock()
	if r.waiting != "" {
		c.violated(promiseRecovers, fmt.Sprintf("#%d %s", f.Number, f.Kind), "%s: not recovered: %s", a.target, r.waiting)
		return
	}
	again := ""
	if r.restarted {
		again = " of the last of several outages"
	}
	c.say("#%d %s: %s: recovered within %s%s", f.Number, f.Kind, a.target, r.took.Round(time.Millisecond), again)
}
