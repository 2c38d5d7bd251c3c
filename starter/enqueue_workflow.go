package main

import (
	"bytes"
	"encoding/json"

	"github.com/spf13/cobra"

	"sluice/queue"
)

// workflowFlags are those of enqueue that say what workflow it is.
type workflowFlags struct {
	kind, taskQueue, id, options, onConflict string
	args                                     []string
}

// workflowFlagNames are those that say nothing without a type.
var workflowFlagNames = []string{"task-queue", "arg", "workflow-id", "options", "on-conflict"}

func (w *workflowFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&w.kind, "type", "", "the workflow's type, by its `name`")
	flags.StringVar(&w.taskQueue, "task-queue", "", "the task queue that your workers serve, by its `name` (default: that of the settings)")
	flags.StringArrayVar(&w.args, "arg", nil, "an argument of the workflow: `JSON`, @FILE, or - for stdin; may be repeated")
	flags.StringVar(&w.id, "workflow-id", "", "the workflow's `id` in Temporal (default execution-<id of the item>)")
	flags.StringVar(&w.options, "options", "", "options of the workflow: a `JSON` object, @FILE, or - for stdin")
	flags.StringVar(&w.onConflict, "on-conflict", "", "what happens while another workflow of its id is open: fail or wait")
}

// workflowOf makes a workflow of the flags; nil: it is a definition.
func (a *app) workflowOf(command *cobra.Command, f *enqueueFlags) (*queue.Workflow, error) {
	w, changed := f.workflow, command.Flags().Changed
	if !changed("type") {
		for _, name := range workflowFlagNames {
			if changed(name) {
				return nil, usage("--%s is for a workflow: give its --type", name)
			}
		}
		return nil, nil
	}
	switch {
	case changed("input"):
		return nil, usage("--input is for a definition: give the arguments of a workflow with --arg")
	case w.id != "" && f.count > 1:
		return nil, usage("--workflow-id and --count exclude each other: one workflow of an id is open at a time")
	}
	args := make([]json.RawMessage, len(w.args))
	for i, arg := range w.args {
		var err error
		if args[i], err = a.readJSON("--arg", arg, `a value such as 42, '"text"' or '{"key": "value"}'`); err != nil {
			return nil, err
		}
	}
	workflow := &queue.Workflow{Type: w.kind, TaskQueue: w.taskQueue, ID: w.id, Args: arrayOf(args), OnConflict: w.onConflict}
	if changed("on-conflict") && w.onConflict != "fail" && w.onConflict != "wait" {
		return nil, usage("--on-conflict must be fail or wait, not %q", w.onConflict)
	}
	if !changed("options") {
		return workflow, nil
	}
	var err error
	if workflow.Options, err = a.readJSON("--options", w.options, `an object such as '{"executionTimeout": "2h"}'`); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(workflow.Options), []byte("{")) {
		return nil, usage("--options must be a JSON object")
	}
	return workflow, nil
}

// arrayOf is the JSON array of these values, as they were written.
func arrayOf(values []json.RawMessage) json.RawMessage {
	array := []byte("[")
	for i, value := range values {
		if i > 0 {
			array = append(array, ',')
		}
		array = append(array, value...)
	}
	return append(array, ']')
}
