// Package e2e tests the whole path on a real Temporal dev server and a real PostgreSQL: application → queue →
// dispatcher → workspace task queue → outcome. It holds tests only, and the recording of the histories that package
// workflows replays:
//
//	go test ./internal/e2e -run 'TestRecordHistories|TestAWaitingDispatcherEnds' -record
package e2e
