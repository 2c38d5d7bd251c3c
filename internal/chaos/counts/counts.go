// Package counts adds up what the workers of a run have counted, of which each begins anew when it is started again. What a process
// has counted after it was last looked at, and before it died, is lost.
package counts

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Counts is safe for concurrent use; the zero value has counted nothing.
type Counts struct {
	mu        sync.Mutex
	processes map[int]map[string]float64 // what each showed last, by its pid
}

// Show notes a page of metrics of a process, in Prometheus' format.
func (c *Counts) Show(pid int, page io.Reader) error {
	shown := map[string]float64{}
	lines := bufio.NewScanner(page)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		series, text, ok := cutLast(lines.Text())
		if !ok || !strings.HasPrefix(series, "sluice_") {
			continue
		}
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			shown[series] = value
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.processes == nil {
		c.processes = map[int]map[string]float64{}
	}
	c.processes[pid] = shown
	return nil
}

func cutLast(line string) (before, after string, ok bool) {
	at := strings.LastIndexByte(line, ' ')
	if at < 0 {
		return "", "", false
	}
	return line[:at], line[at+1:], true
}

// Of is the sum of a counter over all processes and all of its series that have a label with this value.
func (c *Counts) Of(counter, label, value string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, shown := range c.processes {
		for series, count := range shown {
			name, labels, _ := strings.Cut(series, "{")
			if strings.TrimSuffix(name, "_total") == counter && strings.Contains(","+labels, ","+label+"="+strconv.Quote(value)) {
				n += int(count)
			}
		}
	}
	return n
}
