package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/internal/web/access"
	"sluice/queue"
)

func (s *API) enqueues(h huma.API) {
	register(s, h, route{grant: writes, Operation: huma.Operation{
		OperationID: "enqueue", Method: http.MethodPost, Path: "/api/v1/items", Tags: []string{"items"}, Summary: "Put a workflow or a definition into the queue",
		Description: "When it answers 201 the item is committed, and will start once or end FAILED, CANCELLED or EXPIRED with a reason. Under a unique key that an earlier item of the workspace " +
			"holds nothing is added: the answer is 200 with that item and what has become of it. So with a key it is safe to try again. Without one, and where the key " +
			"is held for less than a minute after the item's end, the code doubtful says that it is not known whether the item was enqueued: to try again may enqueue it twice.",
		DefaultStatus: http.StatusCreated,
		Responses: map[string]*huma.Response{"200": {Description: "An earlier item holds the unique key.", Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/Enqueued"}},
		}}},
	}}, s.enqueue)
	register(s, h, route{grant: writes, Operation: huma.Operation{
		OperationID: "enqueue-many", Method: http.MethodPost, Path: "/api/v1/items/bulk", Tags: []string{"items"}, Summary: "Put many items into the queue, all or none",
		Description: "In one transaction. The answers are in the order of the items. As with one item, it is safe to try again only where each has a unique key. The header " +
			"Idempotency-Key is refused: it stands for one item.", DefaultStatus: http.StatusCreated,
	}}, s.enqueueMany)
}

// newItem is an item that is to be enqueued.
type newItem struct {
	Workspace   string          `json:"workspace,omitempty" maxLength:"200" doc:"The workspace's id, or the platform's key of it. A token of a workspace needs none."`
	Definition  *uuid.UUID      `json:"definition,omitempty" doc:"The definition that is to run. An item is this or a workflow."`
	Input       json.RawMessage `json:"input,omitempty" doc:"Of a definition: a JSON object of at most 256 KiB."`
	Workflow    *newWorkflow    `json:"workflow,omitempty" doc:"The workflow that is to run."`
	Priority    int             `json:"priority,omitempty" minimum:"1" maximum:"5" doc:"1 (first) to 5 (last) among the workspace's items; 3 where it is not given."`
	AvailableAt *time.Time      `json:"availableAt,omitempty" doc:"The earliest start."`
	Delay       Period          `json:"delay,omitempty" doc:"The earliest start, from now, by the clock of the database."`
	ExpiresAt   *time.Time      `json:"expiresAt,omitempty" doc:"It ends EXPIRED if it has not been claimed by then."`
	ExpiresIn   Period          `json:"expiresIn,omitempty" doc:"The same, from now."`
	UniqueKey   string          `json:"uniqueKey,omitempty" minLength:"1" maxLength:"512" doc:"While an item of the workspace holds the key, nothing is added under it. Where one item is enqueued, the header Idempotency-Key says the same."`
	UniqueFor   Period          `json:"uniqueFor,omitempty" doc:"How long after its end the item goes on holding its key; 0: not beyond it; not given: as long as it is retained."`
}

// newWorkflow is a workflow of a type of one's own.
type newWorkflow struct {
	Type      string            `json:"type" minLength:"1" maxLength:"1000" doc:"Its type, by its name."`
	TaskQueue string            `json:"taskQueue,omitempty" maxLength:"1000" doc:"The task queue that your workers serve; not given: that of the settings."`
	ID        string            `json:"id,omitempty" maxLength:"1000" doc:"Its id in Temporal; not given: execution- and the id of the item."`
	Args      []json.RawMessage `json:"args,omitempty" doc:"Its arguments, each as JSON."`
	Options   *workflowOptions  `json:"options,omitempty"`
}

// workflowOptions are those that sluice.enqueue_workflow takes.
type workflowOptions struct {
	ExecutionTimeout string                     `json:"executionTimeout,omitempty" maxLength:"50"`
	RunTimeout       string                     `json:"runTimeout,omitempty" maxLength:"50"`
	TaskTimeout      string                     `json:"taskTimeout,omitempty" maxLength:"50"`
	Retry            *retryOptions              `json:"retry,omitempty"`
	Memo             map[string]json.RawMessage `json:"memo,omitempty"`
	SearchAttributes map[string]json.RawMessage `json:"searchAttributes,omitempty"`
	Summary          string                     `json:"summary,omitempty"`
	Details          string                     `json:"details,omitempty"`
	OnConflict       string                     `json:"onConflict,omitempty" enum:"fail,wait" doc:"What happens while another workflow of its id is open: the item fails, or waits."`
}

// retryOptions are a retry policy of the whole workflow.
type retryOptions struct {
	InitialInterval        string   `json:"initialInterval,omitempty" maxLength:"50"`
	MaximumInterval        string   `json:"maximumInterval,omitempty" maxLength:"50"`
	BackoffCoefficient     *float64 `json:"backoffCoefficient,omitempty"`
	MaximumAttempts        *int32   `json:"maximumAttempts,omitempty"`
	NonRetryableErrorTypes []string `json:"nonRetryableErrorTypes,omitempty"`
}

type enqueueInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"512" doc:"The item's unique key."`
	Body newItem
}

type enqueueOutput struct {
	Status   int
	Location string `header:"Location" doc:"Where the item is."`
	Body     queue.Answer
}

func (s *API) enqueue(ctx context.Context, who access.Caller, in *enqueueInput) (*enqueueOutput, error) {
	if in.Key != "" {
		if in.Body.UniqueKey != "" && in.Body.UniqueKey != in.Key {
			return nil, store.Invalid("Idempotency-Key and uniqueKey are the same thing, and differ: give one of the two")
		}
		in.Body.UniqueKey = in.Key
	}
	now, err := s.present(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	item, err := itemOf(who, &in.Body, now)
	if err != nil {
		return nil, err
	}
	if item.WorkspaceID, err = s.enqueueFor(ctx, who, &in.Body); err != nil {
		return nil, err
	}
	if item.UniqueKey != "" {
		// The places are those of the key, whichever token is shown: the id stands for both.
		leave, err := s.keyed.take(ctx, uuid.NewSHA1(item.WorkspaceID, []byte(item.UniqueKey)))
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	answer, err := s.queue.Enqueue(ctx, item)
	if err != nil {
		return nil, doubt(err, item)
	}
	out := &enqueueOutput{Status: http.StatusOK, Location: "/api/v1/items/" + answer.QueueID.String(), Body: answer}
	if answer.New() {
		out.Status = http.StatusCreated
	}
	return out, nil
}

type enqueueManyInput struct {
	Key  string `header:"Idempotency-Key" hidden:"true"` // refused
	Body struct {
		Items []newItem `json:"items" minItems:"1" maxItems:"1000"`
	}
}

// answers are those of items that were enqueued together.
type answers struct {
	Answers []queue.Answer `json:"answers"`
}

func (s *API) enqueueMany(ctx context.Context, who access.Caller, in *enqueueManyInput) (*body[answers], error) {
	if in.Key != "" {
		return nil, store.Invalid("Idempotency-Key stands for one item: give each item a uniqueKey")
	}
	leave, err := s.reading.take(ctx, placesOf(who)) // it takes a connection for as long as a read may
	if err != nil {
		return nil, err
	}
	defer leave()
	items := make([]queue.Item, len(in.Body.Items))
	now, err := s.present(ctx, in.Body.Items...)
	if err != nil {
		return nil, err
	}
	for i := range items {
		if items[i], err = itemOf(who, &in.Body.Items[i], now); err != nil {
			return nil, fmt.Errorf("item %d of %d: %w", i+1, len(items), err)
		}
	}
	if err := s.findWorkspaces(ctx, who, in.Body.Items, items); err != nil {
		return nil, err
	}
	list, err := s.queue.EnqueueMany(ctx, items)
	return answer(answers{list}, doubt(err, items...))
}

// longHeld is how long after its end an item must hold its key for its caller to be told to try again: by then the item may have run.
const longHeld = time.Minute

// doubt is an error of an enqueue, and says so if the items may be in the queue nevertheless, and to enqueue them again might add them twice.
func doubt(err error, items ...queue.Item) error {
	if err == nil || store.ChangedNothing(err) {
		return err
	}
	if slices.ContainsFunc(items, func(i queue.Item) bool {
		return i.UniqueKey == "" || i.UniqueFor != 0 && i.UniqueFor < longHeld // queue.UntilEnded is less
	}) {
		return fmt.Errorf("%w: %w", store.ErrDoubtful, err)
	}
	return err
}

// findWorkspaces fills in the workspaces of items, each of which is looked for once. Those of definitions come first: they must be there, and
// where one is not, none is created for the other items.
func (s *API) findWorkspaces(ctx context.Context, who access.Caller, sent []newItem, items []queue.Item) error {
	found := map[string]uuid.UUID{}
	for _, definitions := range []bool{true, false} {
		for i := range sent {
			n := &sent[i]
			if (n.Definition != nil) != definitions {
				continue
			}
			id, ok := found[n.Workspace]
			if !ok {
				var err error
				if id, err = s.enqueueFor(ctx, who, n); err != nil {
					return fmt.Errorf("item %d of %d: %w", i+1, len(sent), err)
				}
				found[n.Workspace] = id
			}
			items[i].WorkspaceID = id
		}
	}
	return nil
}

// present is the database's, from which times that are given as periods count: items become due and expire by its clock, and this machine's may
// differ.
func (s *API) present(ctx context.Context, items ...newItem) (now time.Time, err error) {
	if slices.ContainsFunc(items, func(n newItem) bool { return n.Delay != "" || n.ExpiresIn != "" }) {
		now, err = facts.Now(ctx, s.Pool)
	}
	return now, err
}

// itemOf makes an item of what was sent, all but its workspace, and checks what can be checked without the database.
func itemOf(who access.Caller, n *newItem, now time.Time) (item queue.Item, err error) {
	item = queue.Item{Priority: cmp.Or(n.Priority, queue.DefaultPriority), UniqueKey: n.UniqueKey, EnqueuedBy: who.Actor, TriggerType: "API"}
	switch {
	case (n.Definition == nil) == (n.Workflow == nil):
		return item, store.Invalid("an item is a definition or a workflow: give one of the two")
	case n.Workflow != nil && len(n.Input) > 0:
		return item, store.Invalid("input is of a definition: give the arguments of a workflow as args")
	case n.AvailableAt != nil && n.Delay != "", n.ExpiresAt != nil && n.ExpiresIn != "":
		return item, store.Invalid("availableAt and delay exclude each other, as do expiresAt and expiresIn")
	case n.UniqueFor != "" && n.UniqueKey == "":
		return item, store.Invalid("uniqueFor needs a uniqueKey")
	}
	if err := n.times(&item, now); err != nil {
		return item, err
	}
	if n.Definition != nil {
		item.DefinitionID, item.Input = *n.Definition, n.Input
		return item, item.Validate()
	}
	item.Workflow = &queue.Workflow{Type: n.Workflow.Type, TaskQueue: n.Workflow.TaskQueue, ID: n.Workflow.ID}
	if item.Workflow.Args, err = json.Marshal(append([]json.RawMessage{}, n.Workflow.Args...)); err != nil {
		return item, store.Invalid("args: %v", err)
	}
	if n.Workflow.Options != nil {
		if item.Workflow.Options, err = json.Marshal(n.Workflow.Options); err != nil {
			return item, store.Invalid("options: %v", err)
		}
	}
	return item, item.Validate()
}

func (n *newItem) times(item *queue.Item, now time.Time) error {
	for _, t := range []struct {
		name string
		in   Period
		at   *time.Time
		to   *time.Time
	}{{"delay", n.Delay, n.AvailableAt, &item.AvailableAt}, {"expiresIn", n.ExpiresIn, n.ExpiresAt, &item.ExpiresAt}} {
		if t.at != nil {
			*t.to = *t.at
		}
		if t.in != "" {
			d, err := t.in.duration(t.name)
			if err != nil {
				return err
			}
			*t.to = now.Add(d)
		}
	}
	if n.UniqueFor == "" {
		return nil
	}
	keep, err := n.UniqueFor.duration("uniqueFor")
	if err != nil {
		return err
	}
	if item.UniqueFor = keep; keep == 0 {
		item.UniqueFor = queue.UntilEnded
	}
	return nil
}
