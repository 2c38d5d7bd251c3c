package devstack

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// deathSignals says whether the kernel ends our children when we die.
const deathSignals = true

// setDeathSignal lets the kernel end the child when we are killed and cannot.
func setDeathSignal(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// commandLine returns the words of a process's command line joined by spaces,
// empty when it is gone or a zombie.
func commandLine(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(bytes.ReplaceAll(data, []byte{0}, []byte{' '})))
}
