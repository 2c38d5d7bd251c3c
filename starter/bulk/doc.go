// Package bulk is what the commands have in common that do something to many items: flags that say which, a preview of how many these
// are, the question whether to go ahead, and the progress.
//
// It must not know how anything is done: package admin selects, and its caller does it.
package bulk
