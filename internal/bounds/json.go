package bounds

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// What JSON may be.
const (
	MaxInput      = 256 << 10 // bytes of an item's input, as Postgres prints it
	MaxDefinition = 512 << 10 // of a definition, likewise
	MaxOutput     = 1 << 20   // of an execution's output, and of its error, likewise
	// MaxDepth is how deep objects and arrays may be nested. Postgres parses as deep as its stack allows, Go 10,000.
	MaxDepth = 500
	// What Postgres can hold of a number, in digits before and behind its point.
	maxWhole, maxFraction = 131072, 16383
)

// ErrNUL says that JSON contains \u0000, which Postgres cannot hold.
var ErrNUL = errors.New(`contains \u0000, which the database cannot store`)

// Object checks a JSON object, and returns how many bytes it has as Postgres prints it: that is the form in which it is stored,
// read and sent. A number such as 1e9 is written out there.
func Object(raw []byte, most int) (size int, err error) {
	switch size, err := Size(raw); {
	case err != nil:
		return 0, err
	case len(raw) == 0 || raw[0] != '{':
		return 0, errors.New(`must be a JSON object such as {"key": "value"}`)
	case size > most:
		return 0, fmt.Errorf("has %d bytes, at most %d (%d KiB) are allowed, with its numbers written out; store large data elsewhere and pass a reference",
			size, most, most>>10)
	default:
		return size, nil
	}
}

// Size is how many bytes JSON has as Postgres prints it, from a column of type jsonb. Keys that come twice in an object are
// counted twice, although only the last is kept. The error says why Postgres cannot hold it. There must be no white space before it.
func Size(raw []byte) (int, error) {
	// Deep nesting is found first: it would be an error of the parser's.
	if depth(raw) > MaxDepth {
		return 0, fmt.Errorf("is nested deeper than %d levels", MaxDepth)
	}
	if !json.Valid(raw) {
		return 0, fmt.Errorf("is not valid JSON: %w", syntax(raw))
	}
	size := 0
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			printed, next, err := text(raw, i)
			if err != nil {
				return 0, err
			}
			size, i = size+printed, next
		case c == '-' || c >= '0' && c <= '9':
			printed, next, err := number(raw, i)
			if err != nil {
				return 0, err
			}
			size, i = size+printed, next
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == ',' || c == ':': // and a blank
			size, i = size+2, i+1
		default:
			size, i = size+1, i+1
		}
	}
	return size, nil
}

func syntax(raw []byte) error {
	var any json.RawMessage
	return json.Unmarshal(raw, &any)
}

// depth is how deep the brackets of JSON are nested, valid or not.
func depth(raw []byte) (most int) {
	now, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			most = max(most, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return most
}

// text measures the string of valid JSON that begins at a place, and returns the place behind it.
func text(raw []byte, i int) (size, next int, err error) {
	size = 2
	for i++; raw[i] != '"'; {
		c := raw[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(raw[i:])
			if r == utf8.RuneError && n == 1 {
				return 0, 0, errors.New("is not UTF-8")
			}
			size, i = size+n, i+n
		case c != '\\':
			size, i = size+1, i+1
		case raw[i+1] != 'u':
			if raw[i+1] == '/' {
				size-- // is not escaped again
			}
			size, i = size+2, i+2
		default:
			n, read, err := escaped(raw[i:])
			if err != nil {
				return 0, 0, err
			}
			size, i = size+n, i+read
		}
	}
	return size, i + 1, nil
}

// escaped measures a character that is written as \u and four digits, or as two of these.
func escaped(raw []byte) (size, read int, err error) {
	code := func(at int) rune {
		if len(raw) < at+6 || raw[at] != '\\' || raw[at+1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(raw[at+2:at+6]), 16, 32) // the JSON is valid
		return rune(n)
	}
	switch r := code(0); {
	case r == 0:
		return 0, 0, ErrNUL
	case r >= 0xdc00 && r <= 0xdfff, r >= 0xd800 && r <= 0xdbff && !(code(6) >= 0xdc00 && code(6) <= 0xdfff):
		return 0, 0, errors.New("contains half of a surrogate pair, which the database cannot store")
	case r >= 0xd800 && r <= 0xdbff:
		return 4, 12, nil
	case r == '"', r == '\\', r == '\b', r == '\f', r == '\n', r == '\r', r == '\t':
		return 2, 6, nil
	case r < ' ':
		return 6, 6, nil
	default:
		return utf8.RuneLen(r), 6, nil
	}
}

// number measures the number of valid JSON that begins at a place, written out without an exponent, and returns the place behind it.
func number(raw []byte, i int) (size, next int, err error) {
	var whole, fraction, zeros, exponent int // zeros are those before the first other digit
	leading, behind := true, false
	if raw[i] == '-' {
		size, i = 1, i+1
	}
digits:
	for ; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '.':
			behind = true
			continue
		case c < '0' || c > '9':
			break digits
		case c != '0':
			leading = false
		case leading:
			zeros++
		}
		if behind {
			fraction++
		} else {
			whole++
		}
	}
	if i < len(raw) && (raw[i] == 'e' || raw[i] == 'E') {
		end := i + 1
		for end < len(raw) && (raw[end] == '+' || raw[end] == '-' || raw[end] >= '0' && raw[end] <= '9') {
			end++
		}
		if exponent, err = strconv.Atoi(string(raw[i+1 : end])); err != nil || exponent > 1<<20 || exponent < -1<<20 {
			return 0, 0, errors.New("contains a number with an exponent that the database cannot store")
		}
		i = end
	}
	before, scale := whole+exponent-zeros, max(0, fraction-exponent)
	if leading { // it is zero
		before, size = 1, 0
	}
	if before > maxWhole || scale > maxFraction {
		return 0, 0, fmt.Errorf("contains a number with more than %d digits before its point or %d behind it", maxWhole, maxFraction)
	}
	if size += max(1, before); scale > 0 {
		size += 1 + scale
	}
	return size, i, nil
}
