package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// artist draws requests from the document: mostly such as it asks for, and now and then other ones.
type artist struct {
	t       *rapid.T
	schemas map[string]any
	known   map[string][]string // values that mean something, by the name of the field
}

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

// odd is true once in so many times.
func (a artist) odd(label string, once int) bool {
	return rapid.IntRange(1, once).Draw(a.t, label) == once
}

// raw is JSON, not all of which encoding/json could make.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// junk is what a field may have that is not as its schema says.
func (a artist) junk() any {
	return pick[any](a.t, "junk", nil, "", "\x00", "a\u202eb", strings.Repeat("x", 3000), -1, 0, 1<<40, 1.5, true, []any{}, object{}, object{"": nil}, []any{nil, []any{object{}}}, "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59Z", uuid.Nil.String(), strings.Repeat("é", 200), "\u00a0", "null", "../..", "%00")
}

func (a artist) value(name string, schema any, depth int) any {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		s = a.schemas[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
	}
	if a.odd("odd", 12) {
		return a.junk()
	}
	if known := a.known[name]; len(known) > 0 && !a.odd("unknown", 4) {
		return pick(a.t, name, known...)
	}
	if enum, ok := s["enum"].([]any); ok {
		return pick(a.t, name, enum...)
	}
	kind, _ := s["type"].(string)
	if kinds, ok := s["type"].([]any); ok {
		if kind, ok = pick(a.t, "type", kinds...).(string); kind == "null" || !ok {
			return nil
		}
	}
	switch kind {
	case "string":
		switch s["format"] {
		case "uuid":
			return pick(a.t, name, uuid.NewString(), uuid.Must(uuid.NewV7()).String(), uuid.Nil.String(), uuid.Max.String())
		case "date-time":
			return pick(a.t, name, "2026-01-01T00:00:00Z", "2199-12-31T23:59:59.999999999+14:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00")
		}
		if _, ok := s["pattern"]; ok {
			return pick(a.t, name, "0", "1ms", "90s", "1h30m", "7d", "99999d", "999999999999h")
		}
		return rapid.StringN(0, 20, 60).Draw(a.t, name)
	case "integer":
		return rapid.OneOf(rapid.IntRange(-2, 20), rapid.Int()).Draw(a.t, name)
	case "number":
		return pick[any](a.t, name, 0.0, 0.5, 1e-9, 1e6, 1e300, -1.0, 3)
	case "boolean":
		return rapid.Bool().Draw(a.t, name)
	case "array":
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(a.t, "length") {
			list = append(list, a.value(name, s["items"], depth+1))
		}
		return list
	case "object":
		return a.object(s, depth)
	}
	return a.anything()
}

func (a artist) object(s map[string]any, depth int) object {
	o := object{}
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) && !a.odd("leaves out", 15) || depth < 4 && a.odd("has "+name, 4) {
			o[name] = a.value(name, properties[name], depth+1)
		}
	}
	if more, ok := s["additionalProperties"].(map[string]any); ok || a.odd("adds", 20) {
		o[rapid.StringN(0, 5, 20).Draw(a.t, "name")] = a.value("", more, depth+1)
	}
	return o
}

// anything is JSON of any kind.
func (a artist) anything() any {
	return pick[any](a.t, "anything", object{}, object{"name": "drawn", "nodes": []any{object{"name": "a", "type": "noop"}}}, object{"name": "x", "nodes": nil}, []any{1}, "text", nil,
		raw("1e400"), raw(`{"a": 1e-400, "b": 123456789012345678901234567890}`), raw(`"\ud800"`), raw(`{"a": "\u0000"}`), raw(strings.Repeat("[", 600)+strings.Repeat("]", 600)),
		raw(`{"a": `+strings.Repeat(`{"a":`, 400)+"1"+strings.Repeat("}", 400)+"}"), raw(`{"a":1,"a":2}`))
}

// request draws one for an operation.
func (a artist) request(o operation) (method, target string, body any, headers []string) {
	path, query := o.path, url.Values{}
	for _, p := range o.Parameters {
		if !p.Required && !a.odd("gives "+p.Name, 3) {
			continue
		}
		value := fmt.Sprint(a.value(p.Name, p.Schema, 0))
		switch p.In {
		case "path":
			if value == "." || value == ".." {
				value += "." // of these a path is resolved before it is sent
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		case "query":
			query.Set(p.Name, value)
		case "header":
			headers = append(headers, p.Name, strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return -1 // the client of the tests sends no such header
				}
				return r
			}, value))
		}
	}
	if a.odd("asks more", 30) {
		query.Set("more", "x")
	}
	if o.schema() != nil && !a.odd("sends nothing", 30) {
		body = a.value("", o.schema(), 0)
		encoded, err := json.Marshal(body)
		if err != nil {
			a.t.Fatal(err)
		}
		if text := string(encoded); a.odd("cuts", 30) {
			body = text[:rapid.IntRange(0, len(text)).Draw(a.t, "length")]
		} else {
			body = text
		}
	}
	if a.odd("accepts", 20) {
		headers = append(headers, "Accept", pick(a.t, "accept", "text/html", "application/xml;q=0.1", "*/*", "application/problem+json", "", "a/b;c"))
	}
	if a.odd("calls it", 20) {
		headers = append(headers, "Content-Type", pick(a.t, "type", "text/plain", "application/cbor", "application/merge-patch+json", ";+", "multipart/form-data"))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return strings.ToUpper(o.method), path, body, headers
}
