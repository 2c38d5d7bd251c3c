package cluster

import "syscall"

// dieWithParent lets the kernel end the child when we are killed and cannot.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
