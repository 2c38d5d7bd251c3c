package bulk

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/admin"
)

// Preview says how many items a selection has, by status.
func Preview(s admin.Selection) string {
	var parts []string
	for _, status := range s.Action.Statuses() {
		if n := s.Counts[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, status))
		}
	}
	text := fmt.Sprintf("%d items to %s", s.Total, s.Action)
	if s.Total == 1 {
		text = "1 item to " + string(s.Action)
	}
	if len(parts) > 1 || len(parts) == 1 && len(s.Action.Statuses()) > 1 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

// Ask asks whether to go ahead. Without an answer of yes it does not.
func Ask(in io.Reader, out io.Writer, s admin.Selection) error {
	_, _ = fmt.Fprintf(out, "%s. Go ahead? [y/N] ", Preview(s))
	answer, _ := bufio.NewReader(in).ReadString('\n')
	if answer == "" {
		_, _ = fmt.Fprintln(out)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return usage("nothing was done: answer y, or say --yes to go ahead without being asked")
}

// progressEvery is how often progress is told.
const progressEvery = time.Second

// Progress tells how many of a selection are done, now and then.
func Progress(tell func(string), now func() time.Time, s admin.Selection) admin.Progress {
	next := now().Add(progressEvery)
	return func(done int64) {
		if at := now(); !at.Before(next) {
			next = at.Add(progressEvery)
			tell(fmt.Sprintf("%d of %d", done, max(done, s.Total)))
		}
	}
}
