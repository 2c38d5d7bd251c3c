package store

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

var enqueueManySQL = load("enqueue_many", "ids", "item_workspaces", "definitions", "priorities", "triggers", "actors", "inputs",
	"large_ids", "large_inputs", "workspaces", "owners", "checked", "own")

// EnqueueMany enqueues plain items by one statement. Check has the pairs that are to be checked. For own see Enqueue.
func EnqueueMany(ctx context.Context, db DB, items []Arrival, own bool, check []Ownership) error {
	if len(items) == 0 {
		return nil
	}
	_, err := db.Exec(ctx, enqueueManySQL, columns(items, own, check)...)
	return err
}

// EnqueueMixed enqueues plain items and others, all or none, in one round trip. It hands over the answer for each of the others, or
// the error of the first that is refused, and ends with the error that this returns.
func EnqueueMixed(ctx context.Context, db DB, plain, others []Arrival, check []Ownership,
	answered func(i int, answer Enqueued, err error) error) (err error) {
	batch := &pgx.Batch{}
	if len(plain) > 0 {
		batch.Queue(enqueueManySQL, columns(plain, false, check)...) // the batch may take long, so it wakes at its commit
	}
	for i := range others {
		sql, arguments := others[i].call()
		batch.Queue(sql, arguments...)
	}
	results := db.SendBatch(ctx, batch)
	defer func() {
		if closed := results.Close(); err == nil {
			err = closed
		}
	}()
	if len(plain) > 0 {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	for i := range others {
		var answer Enqueued
		refused := results.QueryRow().Scan(&answer)
		if err := answered(i, answer, refused); err != nil {
			return err
		}
	}
	return nil
}

// columns are the arguments of the statement that enqueues many.
func columns(items []Arrival, own bool, check []Ownership) []any {
	var (
		n                            = len(items)
		ids, workspaces, definitions = make(idColumn, n), make(idColumn, n), make(idColumn, n)
		priorities                   = make(pgtype.FlatArray[int16], n)
		triggers, actors             = make(pgtype.FlatArray[string], n), make(pgtype.FlatArray[string], n)
		inputs, largeInputs          = make(pgtype.FlatArray[json.RawMessage], n), pgtype.FlatArray[json.RawMessage]{}
		largeIDs                     = idColumn{}

		told = idColumn{}
		seen = map[uuid.UUID]struct{}{}
	)
	for i := range items {
		a := &items[i]
		ids[i], workspaces[i], definitions[i] = pgID(a.ID), pgID(a.WorkspaceID), pgID(a.DefinitionID)
		priorities[i], triggers[i], actors[i], inputs[i] = int16(a.Priority), a.TriggerType, a.EnqueuedBy, a.Input
		if a.Large {
			largeIDs, largeInputs, inputs[i] = append(largeIDs, ids[i]), append(largeInputs, a.Input), nil
		}
		if _, ok := seen[a.WorkspaceID]; !ok {
			seen[a.WorkspaceID] = struct{}{}
			told = append(told, workspaces[i])
		}
	}
	owners, checked := make(idColumn, len(check)), make(idColumn, len(check))
	for i, o := range check {
		owners[i], checked[i] = pgID(o.WorkspaceID), pgID(o.DefinitionID)
	}
	return []any{ids, workspaces, definitions, priorities, triggers, actors, inputs, largeIDs, largeInputs, told, owners, checked, own}
}
