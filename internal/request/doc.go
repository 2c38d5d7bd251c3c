// Package request is about the StartWorkflowExecutionRequest of an item that is a workflow: how it comes to be, what may not be in it,
// and what is added when it is started.
//
// A request is stored as its caller encoded it, so that any workflow type, any data converter and any codec works: nothing here
// reads a payload. Three ways lead to one:
//
//   - [Encode]: from what an application would pass to ExecuteWorkflow of the Go SDK, by the SDK itself;
//   - [FromJSON]: from the arguments and options of sluice.enqueue_workflow, each of which becomes JSON;
//   - [Parse]: from the bytes of a request that is ready, made by an SDK of whatever language.
//
// [Check] says what cannot be admitted. It is asked where a request enters, as far as that is a Go program, and again when it is
// started. [Marshal] and [Parse] bound how many fields a request has, because a small one of many fields takes much memory.
// [Start.Complete] then sets what is Sluice's to say, namely where and for whom it runs, and leaves the rest as it is.
//
// [OfFirstEvent] is for who reads for what a workflow was started.
//
// The package must not know the queue, the database or the dispatcher.
package request
