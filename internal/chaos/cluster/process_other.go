//go:build !linux

package cluster

import "syscall"

// dieWithParent needs a signal on the parent's death, which only Linux has.
func dieWithParent(*syscall.SysProcAttr) {}
