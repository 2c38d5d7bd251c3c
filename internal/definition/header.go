package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// Limits of the headers of one http node.
const (
	MaxHeaders     = 100
	maxHeaderName  = 256
	MaxHeaderValue = 8 << 10
)

// Header is the value of a header of an http node: a text, or {"secret": "NAME"}, the name of a secret that only the worker
// knows. So a credential stands in no definition, no history and no result.
type Header struct {
	Value  string
	Secret string // not both
}

// MarshalJSON implements json.Marshaler.
func (h Header) MarshalJSON() ([]byte, error) {
	if h.Secret != "" {
		return json.Marshal(map[string]string{"secret": h.Secret})
	}
	return json.Marshal(h.Value)
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *Header) UnmarshalJSON(raw []byte) error {
	*h = Header{}
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) > 0 && raw[0] == '"':
		return json.Unmarshal(raw, &h.Value)
	case len(raw) > 0 && raw[0] == '{':
		var reference struct{ Secret string }
		if err := decodeStrict(raw, &reference); err != nil {
			return fmt.Errorf(`a header's value is a text or {"secret": "NAME"}: %w`, err)
		}
		h.Secret = reference.Secret
		return checkSecret(h.Secret)
	}
	return errors.New(`a header's value is a text or {"secret": "NAME"}`)
}

// secretName keeps a name from being a path, and makes it a part of the name of an environment variable.
var secretName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// secretHosts ends the name of the variable that says where a secret may be sent.
const secretHosts = "_HOSTS"

func checkSecret(name string) error {
	if !secretName.MatchString(name) || strings.HasSuffix(name, secretHosts) {
		return fmt.Errorf("secret %q must be a name of capital letters, digits and _, such as STRIPE_KEY, of at most 64, that does not end with %s", name, secretHosts)
	}
	return nil
}

// IsSecretName tells whether a secret may have the name.
func IsSecretName(name string) bool { return checkSecret(name) == nil }

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// managedHeaders are about the connection or the framing of a message: they are the worker's.
var managedHeaders = []string{"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade"}

func checkHeaders(headers map[string]Header) error {
	if len(headers) > MaxHeaders {
		return fmt.Errorf("config.headers has %d entries, at most %d are allowed", len(headers), MaxHeaders)
	}
	var problems []error
	seen := map[string]string{}
	for _, name := range sortedKeys(headers) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		value := headers[name].Value
		switch other, twice := seen[canonical]; {
		case len(name) > maxHeaderName || !headerName.MatchString(name):
			problems = append(problems, fmt.Errorf("config.headers: %q is no name of a header of at most %d letters, digits and dashes", shortened(name), maxHeaderName))
		case slices.Contains(managedHeaders, canonical):
			problems = append(problems, fmt.Errorf("config.headers: %s is set by the worker: leave it out", name))
		case twice:
			problems = append(problems, fmt.Errorf("config.headers: %s and %s are the same header", other, name))
		case len(value) > MaxHeaderValue:
			problems = append(problems, fmt.Errorf("config.headers: %s has %d bytes, at most %d are allowed", name, len(value), MaxHeaderValue))
		case !IsHeaderValue(value):
			problems = append(problems, fmt.Errorf("config.headers: %s must not hold control characters such as line feeds", name))
		}
		seen[canonical] = name
	}
	return errors.Join(problems...)
}

// IsHeaderValue tells whether HTTP can send a text as the value of a header.
func IsHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func shortened(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}
