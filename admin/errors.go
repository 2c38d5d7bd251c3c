package admin

import "sluice/internal/store"

// What is wrong with a request. Test with errors.Is; the message names the offending value and the remedy.
var (
	ErrUnknownWorkspace   = store.ErrUnknownWorkspace
	ErrUnknownDefinition  = store.ErrUnknownDefinition
	ErrForeignDefinition  = store.ErrForeignDefinition
	ErrTooManyDefinitions = store.ErrTooManyDefinitions
	ErrUnknownPlan        = store.ErrUnknownPlan
	ErrUnknownItem        = store.ErrUnknownItem
	ErrNotRetryable       = store.ErrNotRetryable
	ErrInvalid            = store.ErrInvalid
	ErrBusy               = store.ErrBusy
)
