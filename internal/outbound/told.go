package outbound

import (
	"errors"
	"net"
	"strings"
)

// Told is the text of an error of a call as its workspace may read it: without the addresses of this worker, and of the server that it asks
// for names, which are often private.
func Told(err error) string {
	text := err.Error()
	var lookup *net.DNSError
	if errors.As(err, &lookup) {
		why := "the name cannot be looked up"
		switch {
		case lookup.IsNotFound:
			why = "no such host"
		case lookup.IsTimeout:
			why = "the name was not found in time"
		}
		text = strings.ReplaceAll(text, lookup.Error(), "lookup "+lookup.Name+": "+why)
	}
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Source != nil {
		own := operation.Source.String()
		text = strings.ReplaceAll(strings.ReplaceAll(text, own+"->", ""), " "+own, "")
	}
	return text
}
