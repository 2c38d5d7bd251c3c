// Package bounds says how large and of what form a value may be where it enters: names, keys, reasons, inputs, numbers.
//
// It owns the numbers. Schema sluice has the same ones, in its functions and as checks of its tables, because rows may come
// from elsewhere: a test of package schema compares them. It must not know what a value is for.
//
// Errors say what is wrong with a value and how to mend it, without naming it: the caller knows what it is called.
package bounds
