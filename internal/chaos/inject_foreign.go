package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"

	"sluice/internal/chaos/plan"
	"sluice/internal/operate"
	"sluice/internal/pairing"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// elsewhere is a namespace to which the database does not belong.
const elsewhere = "elsewhere"

// startElsewhere does what a wrong TEMPORAL_NAMESPACE does: it asks for a dispatcher in another namespace, which must be refused; puts
// one there by hand, which claims to belong to the database; and starts a worker, which must end before it takes up anything.
func (c *chaos) startElsewhere(ctx context.Context, f plan.Fault) (aftermath, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	var before catalog.Installation
	var run client.WorkflowRun
	other, err := client.NewClientFromExistingWithContext(ctx, c.client, client.Options{Namespace: elsewhere, Identity: actor, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return aftermath{}, err
	}
	err = c.insist(ctx, func(ctx context.Context) (err error) {
		if before, err = catalog.ReadInstallation(ctx, c.pool); err != nil {
			return err
		}
		if err := c.makeElsewhere(ctx); err != nil {
			return err
		}
		run, err = other.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: workflows.DispatcherID, TaskQueue: workflows.TaskQueueDefault, Memo: pairing.Memo(before),
			WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}, workflows.DispatcherType, workflows.State{})
		return err
	})
	if err != nil {
		return aftermath{}, err
	}
	id := fmt.Sprintf("#%d %s", f.Number, f.Kind)
	refuse := func(who string, try func(context.Context) error) error {
		return c.insist(ctx, func(ctx context.Context) error {
			err := try(ctx)
			if err == nil {
				c.violated(promisePaired, id, "%s was not refused", who)
			} else if !errors.Is(err, pairing.ErrOtherNamespace) {
				return err // a server is away
			}
			return nil
		})
	}
	err = errors.Join(
		refuse("the start of a dispatcher", func(ctx context.Context) error {
			_, err := operate.Start(ctx, other, elsewhere, c.pool, workflows.State{})
			return err
		}),
		refuse("a worker", func(ctx context.Context) error { return c.workElsewhere(ctx, f) }),
		c.insist(ctx, func(ctx context.Context) error {
			after, err := catalog.ReadInstallation(ctx, c.pool)
			if before.Running = after.Running; err == nil && after != before {
				c.violated(promisePaired, id, "the installation was %+v, and is %+v", before, after)
			}
			return err
		}),
		c.insist(ctx, func(ctx context.Context) error {
			described, err := other.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
			if n := described.GetWorkflowExecutionInfo().GetHistoryLength(); n > 2 {
				c.violated(promisePaired, id, "the dispatcher there was worked on: its history has %d events", n)
			}
			return err
		}),
	)
	return aftermath{target: "a worker and a dispatcher", since: time.Now()}, err
}

// makeElsewhere makes the other namespace, if it is not there.
func (c *chaos) makeElsewhere(ctx context.Context) error {
	_, err := c.client.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: elsewhere, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour)})
	var exists *serviceerror.NamespaceAlreadyExists
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

// workElsewhere starts a worker of the other namespace and returns why it has ended, or nil if it works.
func (c *chaos) workElsewhere(ctx context.Context, f plan.Fault) error {
	w, err := c.cluster.WorkElsewhere(elsewhere, fmt.Sprintf("worker-elsewhere-%d.log", f.Number))
	if err != nil {
		return err
	}
	defer w.Kill()
	if err := w.AwaitReady(ctx); err != nil {
		log, readErr := os.ReadFile(w.Log)
		if strings.Contains(string(log), pairing.ErrOtherNamespace.Error()) {
			return pairing.ErrOtherNamespace
		}
		return errors.Join(err, readErr)
	}
	return nil
}
