//go:build unix && !linux

package devstack

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// deathSignals says whether the kernel ends our children when we die.
const deathSignals = false

// setDeathSignal does nothing here: only Linux has it. An orphan is ended by the
// next start on the same directory.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// commandLine returns the words of a process's command line joined by spaces,
// empty when it is gone.
func commandLine(pid int) string {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
