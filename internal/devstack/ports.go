package devstack

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

const loopback = "127.0.0.1"

// PortInUseError says that a port which was asked for is taken.
type PortInUseError struct {
	Service string // "PostgreSQL", "Temporal" or "the Web UI"
	Port    int
	Flag    string // the worker's flag that chooses another
}

func (e *PortInUseError) Error() string {
	return fmt.Sprintf("port %d for %s is in use; choose another with %s or stop what listens there", e.Port, e.Service, e.Flag)
}

// checkPorts runs before anything is started, so that a taken port costs nothing.
func checkPorts(cfg Config) error {
	ui := cfg.UIPort
	if cfg.Headless {
		ui = 0
	}
	return errors.Join(checkPostgresPort(cfg.PostgresPort), checkTemporalPort(cfg.TemporalPort), checkUIPort(ui))
}

func checkPostgresPort(port int) error { return checkPort("PostgreSQL", port, "--postgres-port") }
func checkTemporalPort(port int) error { return checkPort("Temporal", port, "--temporal-port") }
func checkUIPort(port int) error       { return checkPort("the Web UI", port, "--ui-port") }

func checkPort(service string, port int, flag string) error {
	if port == 0 {
		return nil
	}
	l, err := net.Listen("tcp", hostPort(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return &PortInUseError{Service: service, Port: port, Flag: flag}
	}
	if err != nil {
		return fmt.Errorf("port %d for %s cannot be used, choose another with %s: %w", port, service, flag, err)
	}
	return l.Close()
}

// pickPort returns want, or a free port when want is 0. Between its return and
// the child's own bind another process may take the port: see retryPortRace.
func pickPort(want int) (int, error) {
	if want != 0 {
		return want, nil
	}
	l, err := net.Listen("tcp", hostPort(0))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// lostPortRace tells from a dead child's log that it found a port taken which was free a moment ago.
func lostPortRace(err error) bool {
	var died *diedError
	if !errors.As(err, &died) {
		return false
	}
	tail := strings.ToLower(died.tail)
	return strings.Contains(tail, "address already in use") || strings.Contains(tail, "could not create any tcp/ip sockets")
}

// retryPortRace runs start again, a few times, when it lost a race for a port.
// An explicit port was checked to be free before, so that it deserves the same.
func retryPortRace[T any](start func() (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		v, err := start()
		if err == nil || attempt == 4 || !lostPortRace(err) {
			return v, err
		}
	}
}

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
