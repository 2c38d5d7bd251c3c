package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"sluice/queue"
)

// demoActor is who enqueued and created what the demo needs, as sluice.activity shows it.
const demoActor = "worker --demo"

// demo fills a few workspaces on each plan with work and shows how it is admitted. Everything goes through the public
// queue package, as an application would do it. It may run any number of times on one database.
type demo struct {
	queue  *queue.Queue
	screen *screen
	log    *slog.Logger
	uiURL  string
}

func newDemo(s *servers, screen *screen, log *slog.Logger) *demo {
	return &demo{queue: queue.New(s.pool), screen: screen, log: log, uiURL: s.uiURL}
}

// run returns when all is done and summed up. The endpoint it serves to http nodes lives until ctx ends, because an
// operator may enqueue the demo's definitions again.
func (d *demo) run(ctx context.Context) error {
	endpoint, err := serveDemoEndpoint(ctx, d.log)
	if err != nil {
		return err
	}
	workspaces, err := d.prepare(ctx, endpoint)
	if err != nil {
		return err
	}
	before, err := d.doneBefore(ctx, workspaces)
	if err != nil {
		return err
	}
	items := demoItems(workspaces)
	started := time.Now()
	answers, err := d.queue.EnqueueMany(ctx, items)
	if err != nil {
		return err
	}
	d.screen.printf("\ndemo: %d executions enqueued for %d workspaces in %s\n\n", len(answers), len(workspaces), time.Since(started).Round(time.Millisecond))
	seen, err := d.watch(ctx, workspaces, before, started)
	if err != nil {
		return err
	}
	ids := make([]uuid.UUID, len(answers))
	for i, a := range answers {
		ids[i] = a.QueueID
	}
	facts, err := d.facts(ctx, ids, workspaces)
	if err != nil {
		return err
	}
	d.screen.printf("%s", summarise(facts, seen, time.Since(started)).String())
	if d.uiURL != "" {
		d.screen.printf("\nSee each of them in the Web UI: %s\n", d.uiURL)
	}
	d.screen.printf("The worker goes on running; stop it with Ctrl-C.\n")
	return nil
}

// demoWorkspace is a workspace of the demo with its definitions' ids by name.
type demoWorkspace struct {
	queue.Workspace
	definitions map[string]uuid.UUID
}

// prepare creates the workspaces that are missing and makes the definitions current. A workspace is known by its
// name and plan, so a second run finds those of the first.
func (d *demo) prepare(ctx context.Context, endpoint string) ([]demoWorkspace, error) {
	existing, err := d.queue.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	known := map[[2]string]uuid.UUID{}
	for _, w := range existing {
		known[[2]string{w.Name, w.Plan}] = w.ID
	}
	var workspaces []demoWorkspace
	for _, want := range demoCast {
		w := demoWorkspace{Workspace: queue.Workspace{ID: known[[2]string{want.name, want.plan}], Name: want.name, Plan: want.plan}, definitions: map[string]uuid.UUID{}}
		if w.ID == uuid.Nil {
			if w.Workspace, err = d.queue.CreateWorkspace(ctx, want.name, want.plan, demoActor); err != nil {
				return nil, err
			}
		}
		for _, raw := range demoDefinitions(endpoint) {
			applied, err := d.queue.ApplyDefinition(ctx, w.ID, raw, demoActor)
			if err != nil {
				return nil, fmt.Errorf("workspace %s: %w", w.Name, err)
			}
			w.definitions[applied.Name] = applied.ID
		}
		workspaces = append(workspaces, w)
	}
	return workspaces, nil
}
