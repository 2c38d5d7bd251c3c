package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
)

// process is a child that writes to a log file and dies with us.
type process struct {
	os     *os.Process
	exited chan struct{}
	err    error       // how it ended; valid once exited is closed
	wanted atomic.Bool // we have ended it
}

func startProcess(path string, args, env []string, log string) (*process, error) {
	file, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", path, err)
	}
	defer func() { _ = file.Close() }()
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, file, file
	// A group of its own: Ctrl-C in the terminal is for us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)

	p := &process{exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel means the thread that forked when it says parent: it belongs to the child as long as that lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.os = cmd.Process
		started <- nil
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return p, nil
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// end sends a signal that is meant to end the process. One that has ended already is fine.
func (p *process) end(signal syscall.Signal) {
	p.wanted.Store(true)
	_ = p.os.Signal(signal)
}
