package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
	"sluice/internal/operate"
)

// pausable is what can be paused, and what is enqueued of it meanwhile.
type pausable struct {
	restriction
	of    admin.Scope
	at    place
	waits string // the definition or workflow type
}

// pauseScopes are the kinds that pause one thing each, until it is resumed.
var pauseScopes = []plan.Kind{plan.PauseEverything, plan.PauseWorkspace, plan.PauseType, plan.PauseWorkspaceType, plan.PauseDefinition}

// pausable is what a kind pauses, by the example of a workspace.
func (c *chaos) pausable(kind plan.Kind, at place) pausable {
	p := pausable{restriction: restriction{part: partPlace(at), scope: []place{at}}, at: at, waits: nodeNoop}
	switch kind {
	case plan.PauseWorkspace:
		p.of.WorkspaceID = at.workspace
	case plan.PauseType:
		p.part, p.scope = "workflows of type "+ownCompletes, nil
		p.of.WorkflowType = ownCompletes
	case plan.PauseWorkspaceType:
		p.of.WorkspaceID, p.of.WorkflowType = at.workspace, ownCompletes
	case plan.PauseDefinition:
		p.only = at.definitions[nodeNoop]
		p.of.DefinitionID = p.only
	default:
		p.part, p.scope = partGlobal, nil
	}
	if p.of.WorkflowType != "" {
		p.only, p.kind, p.waits = ownID(ownCompletes), ownCompletes, ownCompletes
	}
	return p
}

// pauseOne pauses what a kind is about while claims of it are under way, and resumes it by hand.
func (c *chaos) pauseOne(ctx context.Context, f plan.Fault) (aftermath, error) {
	p := c.pausable(f.Kind, c.cast.place(f.Choice))
	p.cut = func(ctx context.Context) error { return c.pauseScope(ctx, p.of) }
	p.undo = func(ctx context.Context) error { return c.resumeScope(ctx, p.of) }
	return c.pauseAnd(ctx, f, p, nil)
}

// pauseAnd pauses something and has items of it wait, which must be claimed after its end; then, if any, is done meanwhile.
func (c *chaos) pauseAnd(ctx context.Context, f plan.Fault, p pausable, then func(ctx context.Context) error) (aftermath, error) {
	var waiting []uuid.UUID
	p.meanwhile = func(ctx context.Context) (err error) {
		if waiting, err = c.enqueueAll(ctx, p.at, p.waits, 3); err != nil || then == nil {
			return err
		}
		return then(ctx)
	}
	a, err := c.restrict(ctx, f, p.restriction)
	a.missing = func(ctx context.Context) (string, error) { return c.hanging(ctx, waiting) }
	return a, err
}

func (c *chaos) pauseScope(ctx context.Context, s admin.Scope) error {
	return c.insist(ctx, func(ctx context.Context) error {
		_, err := c.office.Pause(ctx, s, admin.Term{}, actor, "chaos")
		return err
	})
}

func (c *chaos) resumeScope(ctx context.Context, s admin.Scope) error {
	return c.insist(ctx, func(ctx context.Context) error {
		_, err := c.office.Resume(ctx, s, actor, "chaos")
		return err
	})
}

// pauseWithin pauses a workspace and everything, and resumes one of them: the other stays paused.
func (c *chaos) pauseWithin(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.Take(ctx, partGlobal)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	at := c.cast.place(f.Choice / 2)
	kept, other := c.pausable(plan.PauseWorkspace, at), c.pausable(plan.PauseEverything, at)
	if f.Choice%2 == 0 {
		kept, other = other, kept
	}
	kept.part = partPlace(at) // the other part is taken, always before this
	heal := func() {}
	defer func() { heal() }()
	kept.cut = func(ctx context.Context) error {
		heal = c.weather.Breaks(f.Number)
		if err := c.pauseScope(ctx, other.of); err != nil {
			return err
		}
		return c.pauseScope(ctx, kept.of)
	}
	kept.undo = func(ctx context.Context) error { return c.resumeScope(ctx, kept.of) }
	a, err := c.pauseAnd(ctx, f, kept, func(ctx context.Context) error {
		_ = cluster.Sleep(ctx, f.For/2)
		if err := c.resumeScope(ctx, other.of); err != nil || kept.scope == nil {
			return err
		}
		return c.goesOn(ctx, f)
	})
	a.target = fmt.Sprintf("workspace %s and everything", at.workspace)
	return a, err
}

// goesOn sees to it that work of a workspace that is not paused ends.
func (c *chaos) goesOn(ctx context.Context, f plan.Fault) error {
	ids, err := c.enqueueAll(ctx, c.cast.probe, nodeNoop, 1)
	if err != nil {
		return err
	}
	r := c.await(ctx, f, aftermath{since: time.Now(), missing: func(ctx context.Context) (string, error) { return c.notEnded(ctx, ids...) }}, nil)
	if r.waiting != "" && ctx.Err() == nil {
		c.violated(promiseRecovers, fmt.Sprintf("#%d %s", f.Number, f.Kind), "everything was resumed but for one workspace, and elsewhere %s", r.waiting)
	}
	return ctx.Err()
}

// drain waits until nothing of a workspace runs, while clients go on enqueueing, and resumes it: nothing is claimed from the moment on at
// which the drain is over.
func (c *chaos) drain(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.place(f.Choice)
	scope := admin.Scope{WorkspaceID: at.workspace}
	heal := func() {}
	return c.restrict(ctx, f, restriction{
		part: partPlace(at), scope: []place{at},
		cut: func(ctx context.Context) error {
			heal = c.weather.Breaks(f.Number) // what waits there is not claimed for as long as it takes
			limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
			defer cancel()
			err := c.insist(limited, func(ctx context.Context) error {
				return operate.Drain(ctx, c.pool, at.workspace, actor, func(int) {})
			})
			if err != nil {
				defer heal()
				err = errors.Join(fmt.Errorf("something of the workspace goes on running: %w", err), c.resumeScope(ctx, scope))
			}
			return err
		},
		undo: func(ctx context.Context) error {
			defer heal()
			return c.resumeScope(ctx, scope)
		},
	})
}

// hurtWorker does something to a worker, which is back after the fault's length. It releases the worker then.
type hurtWorker func(ctx context.Context, f plan.Fault, w *cluster.Worker, release func()) (aftermath, error)

// pauseFor pauses something for the fault's length, and does not resume it: nothing of it is claimed before the end, to the moment by the
// database's clock, and what waits is claimed after, by itself. hurt, if any, is done to the dispatcher's worker shortly before the end,
// and lasts beyond it: another one finds the pause in the database, and learns its end from there.
func (c *chaos) pauseFor(hurt hurtWorker) injector {
	return func(ctx context.Context, f plan.Fault) (aftermath, error) {
		scopes := uint64(len(pauseScopes))
		p := c.pausable(pauseScopes[f.Choice%scopes], c.cast.place(f.Choice/scopes))
		var until time.Time
		p.until = &until
		p.cut = func(ctx context.Context) (err error) {
			until, err = c.pauseUntil(ctx, p.of, f)
			return err
		}
		return c.pauseAnd(ctx, f, p, func(ctx context.Context) error {
			if hurt == nil {
				return nil
			}
			return c.hurtAcross(ctx, f, until, hurt)
		})
	}
}

// pauseUntil pauses a scope for a fault's length, and returns when that ends.
func (c *chaos) pauseUntil(ctx context.Context, s admin.Scope, f plan.Fault) (until time.Time, err error) {
	reason := fmt.Sprintf("chaos %d", f.Number)
	err = c.insist(ctx, func(ctx context.Context) error {
		if _, err := c.office.Pause(ctx, s, admin.Term{For: f.For}, actor, reason); err != nil {
			return err
		}
		pauses, err := c.office.Pauses(ctx)
		for _, p := range pauses {
			if p.Reason == reason {
				until = *p.Until
				return nil
			}
		}
		return errors.Join(err, errors.New("the pause is not listed"))
	})
	return until, err
}

// hurtAcross hurts the worker that the dispatcher works in, from up to 2 s before a moment until 1 s after it.
func (c *chaos) hurtAcross(ctx context.Context, f plan.Fault, moment time.Time, hurt hurtWorker) error {
	limited, cancel := context.WithTimeout(ctx, f.For)
	defer cancel()
	w, release, err := c.dispatchersWorker(limited, f)
	if err != nil {
		return err
	}
	before := time.Duration(500+f.Choice%1500) * time.Millisecond
	if err := c.awaitClock(ctx, moment.Add(-before)); err != nil {
		release()
		return err
	}
	_, err = hurt(ctx, plan.Fault{Number: f.Number, Kind: f.Kind, For: before + time.Second}, w, release)
	return err
}
