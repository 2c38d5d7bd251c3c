//go:build !linux

package main

// followGoRun needs a signal on the parent's death, which only Linux has.
func followGoRun() {}
