package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"
)

const (
	// maxTaskBytes is what the nodes may send that one workflow task starts; one node may send more. Temporal takes messages of
	// 4 MiB, and beside these there are an outcome and what the SDK adds.
	maxTaskBytes = 1 << 20
	// maxRequestBytes is what one node may send: Temporal takes values of 2 MiB.
	maxRequestBytes = 2_000_000
	// MaxHistoryBytes is what the history of an execution may have when a node is started. At 50 MiB the server terminates it.
	MaxHistoryBytes = 40 << 20
	// commandBytes is what a node sends beside its input: ids, headers, search attributes.
	commandBytes = 1 << 10
	// roundTrip is the shortest wait that takes a workflow to its next task.
	roundTrip = time.Millisecond
)

// errTaskFull says that a node has to wait for the next workflow task.
var errTaskFull = errors.New("the workflow task is full")

// CheckVolume returns an error for an execution that cannot come to its end, because one of its nodes would send too much, or
// all of them together more than its history takes.
func CheckVolume(in ExecutionInput) error {
	const mostPerByte = 6 // a byte of JSON is sent as six at most
	most := mostPerByte * len(in.Input)
	const null = "null"
	bare, input, total := in, 0, 0 // the input is measured once: each time takes a millisecond, and a thousand nodes may send it
	bare.Input = json.RawMessage(null)
	for _, n := range in.Definition.Nodes {
		if bound := most + mostPerByte*len(n.Config) + commandBytes; bound*len(in.Definition.Nodes) <= maxRequestBytes {
			continue // as nearly all are
		}
		s, err := stepOf(bare, n)
		if err == nil && sendsInput(n) {
			if input == 0 {
				input, err = encodedSize(in.Input)
			}
			s.bytes += input - commandBytes - len(null)
		}
		if err == nil && s.bytes > maxRequestBytes {
			err = requestTooLarge(s.bytes)
		}
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Label(), err)
		}
		total += s.bytes
	}
	if total > MaxHistoryBytes {
		return fmt.Errorf("its %d nodes would send %d bytes together, at most %d are allowed: pass a reference to large data instead, "+
			"or divide the work among several executions", len(in.Definition.Nodes), total, MaxHistoryBytes)
	}
	return nil
}

func requestTooLarge(bytes int) error {
	return fmt.Errorf("it would send %d bytes, at most %d are allowed: pass a reference to large data instead", bytes, maxRequestBytes)
}

// volume counts what an execution sends.
type volume struct {
	sent int // in the workflow task under way
	task int // which that is, by the length of the history at its start; zero: none has sent anything
}

// fits returns nil if so many bytes more can be sent in this workflow task, errTaskFull if they have to wait for another, and
// else why they cannot be sent at all.
func (v *volume) fits(ctx workflow.Context, bytes int) error {
	if v.task != taskOf(ctx) {
		v.next()
	}
	history := workflow.GetInfo(ctx).GetCurrentHistorySize() + v.sent + bytes
	switch {
	case bytes > maxRequestBytes:
		return requestTooLarge(bytes)
	case bytes > 0 && history > MaxHistoryBytes:
		return fmt.Errorf("the execution's history would have %d bytes, at most %d are allowed: pass a reference to large data instead, "+
			"or divide the work among several executions", history, MaxHistoryBytes)
	case v.sent > 0 && v.sent+bytes > maxTaskBytes:
		return errTaskFull
	}
	return nil
}

func (v *volume) add(ctx workflow.Context, s step) {
	if s.bytes > 0 {
		v.sent, v.task = v.sent+s.bytes, taskOf(ctx)
	}
}

// next says that there is another workflow task now.
func (v *volume) next() { v.sent = 0 }

// accepted returns when the server has taken all that was sent. A workflow task that the server refuses is tried again, for
// ever if need be; what its local activities do is done all the same.
func (v *volume) accepted(ctx workflow.Context) {
	if v.task != 0 && v.task == taskOf(ctx) {
		_ = workflow.Sleep(ctx, roundTrip)
	}
}

// taskOf tells one workflow task from the next, also in a replay. It is never zero.
func taskOf(ctx workflow.Context) int { return workflow.GetInfo(ctx).GetCurrentHistoryLength() + 1 }
