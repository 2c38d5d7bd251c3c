package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"sluice/queue"
	"sluice/workflows"
)

// The ways in which an application asks for an execution.
const (
	bySQL   = "sql"   // the function sluice.enqueue
	byGo    = "go"    // a queue.Client
	byStart = "start" // it starts the workflow itself, without Sluice

	ownBySQL   = "own-sql" // the function sluice.enqueue_workflow, for a workflow of its own type
	ownByStart = "own-start"
)

// outsideCommand is what this program is told to be that other process.
const outsideCommand = "ask"

// outside is an application in a process of its own, this program again. It asks for executions when it is told to, one at a time,
// by lines of JSON on its standard input and output.
type outside struct {
	process *exec.Cmd
	input   io.Closer
	orders  *json.Encoder
	answers *json.Decoder
}

// order says how to ask, and for what.
type order struct {
	Way        string    `json:"way"`
	Workspace  uuid.UUID `json:"workspace"`
	Definition uuid.UUID `json:"definition"`
}

func newOutside(ctx context.Context, databaseURL, temporalAddress string) (*outside, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	o := &outside{process: exec.CommandContext(ctx, program, outsideCommand, databaseURL, temporalAddress)}
	o.process.Stderr = os.Stderr
	in, inErr := o.process.StdinPipe()
	out, outErr := o.process.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, fmt.Errorf("start another process: %w", err)
	}
	if err := o.process.Start(); err != nil {
		return nil, fmt.Errorf("start another process: %w", err)
	}
	o.input, o.orders, o.answers = in, json.NewEncoder(in), json.NewDecoder(out)
	return o, nil
}

// ask has it ask for an execution, and returns when it has been answered.
func (o *outside) ask(by order) (a asked, err error) {
	if err := o.orders.Encode(by); err != nil {
		return a, fmt.Errorf("tell the other process: %w", err)
	}
	if err := o.answers.Decode(&a); err != nil {
		return a, fmt.Errorf("hear from the other process: %w", err)
	}
	return a, nil
}

// close ends the process.
func (o *outside) close() error {
	return errors.Join(o.input.Close(), o.process.Wait())
}

// newOutsideCommand is the other process.
func newOutsideCommand() *cobra.Command {
	return &cobra.Command{
		Use: outsideCommand + " DATABASE_URL TEMPORAL_ADDRESS", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askAll(cmd.Context(), args[0], args[1], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// askAll asks for what it is told until there is nothing more.
func askAll(ctx context.Context, databaseURL, temporalAddress string, orders io.Reader, answers io.Writer) error {
	pool, err := pgxpool.New(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("open database pool: %w", err)
	}
	defer pool.Close()
	temporal, err := client.NewLazyClient(client.Options{HostPort: temporalAddress, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return fmt.Errorf("make a Temporal client: %w", err)
	}
	defer temporal.Close()
	starter, err := newPlainStarter(temporal)
	if err != nil {
		return err
	}
	app, in, out := queue.New(pool), json.NewDecoder(orders), json.NewEncoder(answers)
	for {
		var o order
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		a := asked{At: time.Now()}
		switch o.Way {
		case bySQL:
			var id uuid.UUID
			err = pool.QueryRow(ctx, `SELECT (sluice.enqueue($1, $2, $3) ->> 'queueId')::uuid`, o.Workspace, o.Definition, smallInput).Scan(&id)
			a.WorkflowID = workflows.ExecutionID(id)
		case byGo:
			var answer queue.Answer
			answer, err = app.Enqueue(ctx, queue.Item{WorkspaceID: o.Workspace, DefinitionID: o.Definition, Input: smallInput})
			a.WorkflowID = workflows.ExecutionID(answer.QueueID)
		case byStart:
			a, err = starter.ask(ctx, o.Workspace, o.Definition)
		case ownBySQL:
			err = pool.QueryRow(ctx, `SELECT sluice.enqueue_workflow($1, $2, $3) ->> 'workflowId'`, o.Workspace, ownType, ownQueue).Scan(&a.WorkflowID)
		case ownByStart:
			a, err = starter.askOwn(ctx)
		default:
			err = fmt.Errorf("there is no way %q to ask for an execution", o.Way)
		}
		if err = errors.Join(err, out.Encode(a)); err != nil {
			return err
		}
	}
}
