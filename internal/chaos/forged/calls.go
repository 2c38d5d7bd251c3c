package forged

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The headers that the server was given with a callback.
const (
	item      = "Sluice-Item"
	signature = "Sluice-Signature"
	link      = "Nexus-Link"
)

// Callback is what stands in the first event of a workflow.
type Callback struct {
	Header                       map[string]string
	Namespace, WorkflowID, RunID string
}

// header makes the headers of a call about it, as the server makes them.
func (c Callback) header() http.Header {
	h := http.Header{}
	for name, value := range c.Header {
		h.Set(name, value)
	}
	h.Set("Content-Type", "application/json")
	h.Set(link, c.link(c.RunID))
	return h
}

func (c Callback) link(run string) string {
	return fmt.Sprintf(`<temporal:///namespaces/%s/workflows/%s/%s/history?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference>; type="temporal.api.common.v1.Link.WorkflowEvent"`,
		c.Namespace, c.WorkflowID, run)
}

// Call is one call.
type Call struct {
	Name string
	Want int // the status of the answer
	// write sends it to an endpoint at this host.
	write func(to io.Writer, host string) error
}

const (
	// large is more than an endpoint reads of a body, and longHeader more than it takes of headers.
	large      = 6 << 20
	longHeader = 100 << 10
)

// Refused are calls that nobody has signed, or that are none. The other callback is a true one of another item.
func Refused(c, other Callback) []Call {
	var calls []Call
	unsigned := func(name string, change func(http.Header)) {
		calls = append(calls, post(name, http.StatusForbidden, c, `{"any": "result"}`, change))
	}
	signed := c.header().Get(signature)
	unsigned("no signature", func(h http.Header) { h.Del(signature) })
	unsigned("an empty signature", func(h http.Header) { h.Set(signature, "") })
	unsigned("a part of the signature", func(h http.Header) { h.Set(signature, signed[:len(signed)-1]) })
	unsigned("more than the signature", func(h http.Header) { h.Set(signature, signed+"0") })
	unsigned("a signature that is wrong at its end", func(h http.Header) { h.Set(signature, wrong(signed)) })
	unsigned("another item's signature", func(h http.Header) { h.Set(signature, other.header().Get(signature)) })
	unsigned("no item", func(h http.Header) { h.Del(item) })
	unsigned("something else for an item", func(h http.Header) { h.Set(item, "'; DROP TABLE sluice.running") })
	unsigned("another item", func(h http.Header) { h.Set(item, other.header().Get(item)) })
	calls = append(calls,
		post("no signature, and a large body", http.StatusForbidden, c, strings.Repeat("x", large), func(h http.Header) { h.Del(signature) }),
		post("a large header", http.StatusRequestHeaderFieldsTooLarge, c, "", func(h http.Header) { h.Set("Padding", strings.Repeat("x", longHeader)) }),
		request("a GET", http.MethodGet, http.StatusMethodNotAllowed, c.header(), ""),
		raw("no HTTP", http.StatusBadRequest, "\x16\x03\x01 how do you do?\r\n\r\n"),
		raw("a length that is none", http.StatusBadRequest, "POST /ended HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
		raw("a header that is none", http.StatusBadRequest, "POST /ended HTTP/1.1\r\nHost: x\r\n"+item+" \x00: x\r\n\r\n"),
	)
	return calls
}

// Repeated are calls that are signed, as anybody can make them who has seen one or has read the workflow's first event. They are taken,
// also those that come before the end of their workflow or long after it.
func Repeated(c, other Callback) []Call {
	const taken = http.StatusOK
	return []Call{
		post("a call", taken, c, `{"any": "result"}`, nil),
		post("a call of no run", taken, c, "", func(h http.Header) { h.Del(link) }),
		post("a call of a run of another workflow", taken, c, "", func(h http.Header) { h.Set(link, other.header().Get(link)) }),
		post("a call of a run that is none", taken, c, "", func(h http.Header) { h.Set(link, c.link("00000000-0000-0000-0000-000000000000")) }),
		post("a call with a link that is none", taken, c, "", func(h http.Header) { h.Set(link, "<temporal:///%zz>") }),
		post("a call with two links", taken, c, "", func(h http.Header) { h.Add(link, other.header().Get(link)) }),
		post("a call of a failure", taken, c, `{"message": "it has failed"}`, func(h http.Header) {
			h.Set("Nexus-Operation-State", "failed")
			h.Set("Nexus-Operation-Close-Time", "2001-01-01T00:00:00Z")
		}),
		post("a call with a body that is no JSON", taken, c, "\x00\xff{", nil),
		post("a call with a large body", taken, c, strings.Repeat("x", large), nil),
	}
}

func wrong(signed string) string {
	last := "0"
	if strings.HasSuffix(signed, last) {
		last = "1"
	}
	return signed[:len(signed)-1] + last
}

func post(name string, want int, c Callback, body string, change func(http.Header)) Call {
	h := c.header()
	if change != nil {
		change(h)
	}
	return request(name, http.MethodPost, want, h, body)
}

func request(name, method string, want int, h http.Header, body string) Call {
	return Call{name, want, func(to io.Writer, host string) error {
		r, err := http.NewRequest(method, "http://"+host+"/ended", strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header, r.Close = h, true
		return r.Write(to)
	}}
}

func raw(name string, want int, text string) Call {
	return Call{name, want, func(to io.Writer, _ string) error {
		_, err := io.WriteString(to, text)
		return err
	}}
}
