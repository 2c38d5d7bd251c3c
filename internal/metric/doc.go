// Package metric has the metrics of Sluice: their names, types, labels and help, from which docs/reference.md is written.
//
// It owns their definitions, and how they are counted with the handler of a Temporal client. It must not know what is counted, nor where
// the figures are shown.
package metric
