package main

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// followGoRun makes the end of `go run` our end. A terminal's Ctrl-C reaches both, but a signal to the go tool alone
// would leave this process, and the servers of --dev, behind. Under any other parent it does nothing.
func followGoRun() {
	parent := os.Getppid()
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/comm")
	if err != nil || string(bytes.TrimSpace(comm)) != "go" {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0); err != nil {
		return
	}
	if os.Getppid() != parent { // it was gone before the kernel knew that we care
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}
}
