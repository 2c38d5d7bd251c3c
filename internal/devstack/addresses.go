package devstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	addressesName = "stack.json"
	stackLockName = "stack.lock"
)

// ErrNotRunning is wrapped by the error of [ReadAddresses] when no stack runs on
// the directory: there is no stack.json, or it was left by a process that is gone.
var ErrNotRunning = errors.New("no dev stack is running")

// Addresses is what stack.json holds: how to reach a running stack.
type Addresses struct {
	DatabaseURL     string `json:"databaseUrl"`
	TemporalAddress string `json:"temporalAddress"`
	Namespace       string `json:"namespace"`
	UIURL           string `json:"uiUrl,omitempty"`
	// PID is the process that owns the stack, the other two are its children.
	PID         int `json:"pid"`
	PostgresPID int `json:"postgresPid"`
	TemporalPID int `json:"temporalPid"`
}

// ReadAddresses returns the addresses of the stack that runs on dir. The error
// wraps [ErrNotRunning] when there is none.
func ReadAddresses(dir string) (Addresses, error) {
	path := filepath.Join(dir, addressesName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Addresses{}, fmt.Errorf("%w in %s: there is no %s; start it with the worker's --dev flag", ErrNotRunning, dir, addressesName)
	}
	if err != nil {
		return Addresses{}, fmt.Errorf("read the addresses of the dev stack: %w", err)
	}
	var a Addresses
	if err := json.Unmarshal(data, &a); err != nil {
		return Addresses{}, fmt.Errorf("read the addresses of the dev stack from %s: %w", path, err)
	}
	if !ownerLives(filepath.Join(dir, stackLockName), a.PID) {
		return Addresses{}, fmt.Errorf("%w in %s: process %d that wrote %s is gone; start it again with the worker's --dev flag",
			ErrNotRunning, dir, a.PID, addressesName)
	}
	return a, nil
}

// ownerLives asks the lock rather than the pid, which may be another process's
// by now. Only a reader that may not open the lock file has to trust the pid.
func ownerLives(lockPath string, pid int) bool {
	held, err := lockHeld(lockPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return processAlive(pid)
	}
	return held
}

// writeAddresses replaces stack.json in one step, so that no reader sees half of it.
func writeAddresses(dir string, a Addresses) error {
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the addresses of the dev stack: %w", err)
	}
	return writeFileAtomically(filepath.Join(dir, addressesName), append(data, '\n'))
}

func removeAddresses(dir string) error {
	if err := os.Remove(filepath.Join(dir, addressesName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the addresses of the dev stack: %w", err)
	}
	return nil
}

func writeFileAtomically(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(tmp.Name()))
	}
	return nil
}
