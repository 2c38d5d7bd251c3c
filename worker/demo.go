package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/admin"
	"sluice/queue"
)

// demoActor stands in sluice.activity beside all that the demo creates and enqueues.
const demoActor = "worker --demo"

// demo fills a few workspaces on each plan with work and shows how it is admitted. It sets up and enqueues as an
// application would, with the packages admin and queue; what it shows it reads from the database. It may run any number
// of times on one database.
type demo struct {
	admin  *admin.Client
	queue  *queue.Client
	pool   *pgxpool.Pool
	screen *screen
	uiURL  string
	// dashboard is where the pages of Sluice are; empty for nowhere.
	dashboard string
}

func newDemo(s *servers, screen *screen) *demo {
	return &demo{admin: admin.New(s.pool), queue: queue.New(s.pool), pool: s.pool, screen: screen, uiURL: s.uiURL}
}

// run returns when all is done and summed up. The http nodes of its definitions call the endpoint.
func (d *demo) run(ctx context.Context, endpoint string) error {
	workspaces, err := d.prepare(ctx, endpoint)
	if err != nil {
		return err
	}
	before, err := d.doneBefore(ctx, workspaces)
	if err != nil {
		return err
	}
	items, err := demoItems(ctx, d.queue, workspaces)
	if err != nil {
		return err
	}
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
	if d.dashboard != "" {
		d.screen.printf("See what happened, and change limits while it runs, in the dashboard: %s\n", d.dashboard)
	}
	d.screen.printf("The worker goes on running; stop it with Ctrl-C.\n")
	return nil
}

// demoWorkspace is a workspace of the demo with its definitions' ids by name.
type demoWorkspace struct {
	admin.Workspace
	definitions map[string]uuid.UUID
}

// prepare creates the workspaces that are missing and makes the definitions current. A workspace is known by its name, so
// a second run finds those of the first.
func (d *demo) prepare(ctx context.Context, endpoint string) ([]demoWorkspace, error) {
	var workspaces []demoWorkspace
	for _, want := range demoCast {
		workspace, err := d.admin.EnsureWorkspace(ctx, want.name, want.plan, demoActor)
		if err != nil {
			return nil, err
		}
		w := demoWorkspace{workspace, map[string]uuid.UUID{}}
		for _, raw := range demoDefinitions(endpoint) {
			applied, err := d.admin.ApplyDefinition(ctx, w.ID, raw, demoActor)
			if err != nil {
				return nil, fmt.Errorf("workspace %s: %w", w.Name, err)
			}
			w.definitions[applied.Name] = applied.ID
		}
		workspaces = append(workspaces, w)
	}
	return workspaces, nil
}
