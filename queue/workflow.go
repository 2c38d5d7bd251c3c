package queue

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/bounds"
	"sluice/internal/request"
	"sluice/internal/store"
)

// Workflow is what an item is that is no definition: a workflow of a type of one's own. Client.NewWorkflow makes one as the SDK would.
type Workflow struct {
	// Request is what would be sent to Temporal to start it, of at most 2 MiB. It is started with just this type, payloads, headers,
	// memo and timeouts, whatever encoded them. Without a task queue it runs on that of its workspace, and without an id as execution-<id
	// of the item>. A start delay counts from the enqueue, unless the item says when it is available. Refused are cron schedules, and policies that would use or end a
	// workflow of another.
	Request *workflowservice.StartWorkflowExecutionRequest

	// Type, TaskQueue, ID, Args and Options describe the workflow in place of a request, where its arguments are JSON already: Args is a
	// JSON array with one element for each, Options an object as sluice.enqueue_workflow takes it. Together they have at most 256 KiB.
	Type, TaskQueue, ID string
	Args, Options       json.RawMessage

	// OnConflict says what happens when a workflow of its id is open that is another's: with "fail" the item ends FAILED, with "wait" it
	// waits for that. Defaults to "fail".
	OnConflict string
}

// Option is an option of New.
type Option func(*Client)

// WithClientOptions has workflows encoded by the data converter, the context propagators and the interceptors of the options with which
// the application dials its Temporal client. Without it they are encoded as a client without options does.
func WithClientOptions(options client.Options) Option {
	return func(c *Client) { c.encode = options }
}

// EnqueueWorkflow is Enqueue for a workflow, which is given as to ExecuteWorkflow of the SDK's client. The item says for whom, and may
// have all that an Item has but a definition and an input.
func (c *Client) EnqueueWorkflow(ctx context.Context, item Item, options client.StartWorkflowOptions, workflow any, args ...any) (Answer, error) {
	item, err := c.NewWorkflow(ctx, item, options, workflow, args...)
	if err != nil {
		return Answer{}, err
	}
	return c.Enqueue(ctx, item)
}

// EnqueueWorkflowTx is EnqueueWorkflow inside the caller's transaction, see EnqueueTx.
func (c *Client) EnqueueWorkflowTx(ctx context.Context, tx pgx.Tx, item Item, options client.StartWorkflowOptions, workflow any, args ...any) (Answer, error) {
	item, err := c.NewWorkflow(ctx, item, options, workflow, args...)
	if err != nil {
		return Answer{}, err
	}
	return c.EnqueueTx(ctx, tx, item)
}

// NewWorkflow returns the item with its workflow, for EnqueueMany for example. Nothing is sent or enqueued.
func (c *Client) NewWorkflow(ctx context.Context, item Item, options client.StartWorkflowOptions, workflow any, args ...any) (Item, error) {
	r, err := request.Encode(ctx, c.encode, options, workflow, args...)
	if err != nil {
		return item, store.Wrap(store.Invalid("%v", err), "encode a workflow")
	}
	w := Workflow{Request: r}
	if item.Workflow != nil {
		w.OnConflict = item.Workflow.OnConflict
	}
	item.Workflow = &w
	return item, nil
}

// arrive checks a workflow, and makes it a part of an arrival. Its names are checked by the database.
func (w *Workflow) arrive(i *Item, a *store.Arrival) error {
	described := w.Type != "" || w.TaskQueue != "" || w.ID != "" || len(w.Args) > 0 || len(w.Options) > 0
	switch {
	case a.DefinitionID != [16]byte{} || len(i.Input) > 0:
		return store.Invalid("an item is a workflow or a definition with its input, not both")
	case w.Request == nil && !described:
		return store.Invalid("the workflow has no request: make one with Client.NewWorkflow, or name its type")
	case w.Request == nil:
		return w.arriveDescribed(a)
	case described:
		return store.Invalid("a workflow has a request, or a type and arguments, not both")
	}
	r := w.Request
	if err := request.Check(r); err != nil {
		return store.Invalid("%v", err)
	}
	raw, err := request.Marshal(r)
	if err != nil {
		return store.Invalid("%v", err)
	}
	a.OnConflict = w.OnConflict
	a.Workflow = &store.Workflow{Type: r.GetWorkflowType().GetName(), TaskQueue: r.GetTaskQueue().GetName(), ID: r.GetWorkflowId(), Request: raw}
	return nil
}

// arriveDescribed does the same for one that is described. What is JSON here must be, the rest is checked by the database.
func (w *Workflow) arriveDescribed(a *store.Arrival) error {
	args, options := bytes.TrimSpace(w.Args), bytes.TrimSpace(w.Options)
	for _, raw := range [][]byte{args, options} {
		if _, err := bounds.Size(raw); err != nil && len(raw) > 0 {
			return store.Invalid("the workflow's arguments and options: %v", err)
		}
	}
	if w.OnConflict != "" {
		merged := map[string]json.RawMessage{}
		if len(options) > 0 && (json.Unmarshal(options, &merged) != nil || merged == nil) {
			return store.Invalid("the workflow's options must be a JSON object")
		}
		word, err := json.Marshal(w.OnConflict)
		if err != nil {
			return store.Invalid("OnConflict: %v", err)
		}
		merged["onConflict"] = word
		if options, err = json.Marshal(merged); err != nil {
			return store.Invalid("the workflow's options: %v", err)
		}
	}
	a.Workflow = &store.Workflow{Type: w.Type, TaskQueue: w.TaskQueue, ID: w.ID, Args: nilIfEmpty(args), Options: nilIfEmpty(options)}
	return nil
}

func nilIfEmpty(raw []byte) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	return raw
}
