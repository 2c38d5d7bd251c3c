package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// screen keeps a block of lines at the bottom of a terminal while log lines scroll by above it. Where no person
// watches it only orders the writes.
type screen struct {
	mu             sync.Mutex
	stdout, stderr io.Writer
	live           bool   // redraw in place
	block          string // what stands there now
}

func newScreen(stdout, stderr io.Writer, live bool) *screen {
	return &screen{stdout: stdout, stderr: stderr, live: live}
}

// printf writes lines to standard output, for good.
func (s *screen) printf(format string, args ...any) {
	s.above(func() { _, _ = fmt.Fprintf(s.stdout, format, args...) })
}

// show replaces the block, or prints it as it is when nothing can be redrawn. It must end with a line feed.
func (s *screen) show(block string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	_, _ = io.WriteString(s.stdout, block)
	if s.live {
		s.block = block
	}
}

// settle leaves the block where it is: what follows is written below it.
func (s *screen) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block = ""
}

// logs is a writer for the logger: standard error, above the block.
func (s *screen) logs() io.Writer { return logWriter{s} }

type logWriter struct{ *screen }

func (w logWriter) Write(p []byte) (n int, err error) {
	w.above(func() { n, err = w.stderr.Write(p) })
	return n, err
}

func (s *screen) above(write func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	write()
	_, _ = io.WriteString(s.stdout, s.block)
}

func (s *screen) erase() {
	if lines := strings.Count(s.block, "\n"); lines > 0 {
		_, _ = fmt.Fprintf(s.stdout, "\x1b[%dA\x1b[J", lines) // up to its first line, clear from there
	}
}
