package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/bounds"
	"sluice/internal/overview"
	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/workflows"
)

// Period is a duration as people write it.
type Period string

const periodPattern = `^(([0-9]{1,12}(\.[0-9]{1,9})?(ms|s|m|h))+|[0-9]{1,5}d|0)$`

// Schema implements huma.SchemaProvider.
func (Period) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Pattern: periodPattern, PatternDescription: "a duration such as 90s, 1h30m or 7d", MaxLength: new(50), Examples: []any{"90s", "7d"}}
	s.PrecomputeMessages()
	return s
}

func (p Period) duration(name string) (time.Duration, error) {
	d, err := bounds.Duration(string(p))
	if err != nil {
		return 0, store.Invalid("%s %v", name, err)
	}
	return d, nil
}

// changed is a field of a request that changes something: not given it changes nothing, null takes the value away.
type changed[T any] struct {
	given bool
	to    *T
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *changed[T]) UnmarshalJSON(raw []byte) error {
	c.given = true
	if bytes.Equal(raw, []byte("null")) {
		return nil
	}
	return json.Unmarshal(raw, &c.to)
}

// MarshalJSON implements json.Marshaler.
func (c changed[T]) MarshalJSON() ([]byte, error) { return json.Marshal(c.to) }

// Schema implements huma.SchemaProvider.
func (changed[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), false, "")
	s.Nullable = true
	s.PrecomputeMessages()
	return &s
}

func (c changed[T]) change() *admin.Change[T] {
	if !c.given {
		return nil
	}
	return &admin.Change[T]{To: c.to}
}

// idText is how an id looks in a request or an answer.
type idText string

// Schema implements huma.SchemaProvider.
func (idText) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Format: "uuid"}
	s.PrecomputeMessages()
	return s
}

// newRegistry names the types in the document, and knows those whose JSON is not what their Go type looks like.
func newRegistry() huma.Registry {
	names := map[reflect.Type]string{
		reflect.TypeFor[workflows.Status](): "DispatcherStatus", reflect.TypeFor[workflows.Pause](): "DispatcherPause", reflect.TypeFor[overview.Status](): "Status", reflect.TypeFor[facts.Pause](): "ItemPause",
		reflect.TypeFor[queue.State](): "Item", reflect.TypeFor[itemAnswer](): "ItemDetails", reflect.TypeFor[queue.Answer](): "Enqueued", reflect.TypeFor[answers](): "EnqueuedMany",
	}
	r := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if name, ok := names[t]; ok {
			return name
		}
		return huma.DefaultSchemaNamer(t, hint)
	})
	r.RegisterTypeAlias(reflect.TypeFor[uuid.UUID](), reflect.TypeFor[idText]())
	r.RegisterTypeAlias(reflect.TypeFor[workflows.Duration](), reflect.TypeFor[string]())
	return r
}

// jsonFormat reads and writes JSON. Requests are looked at twice, once as values of any kind to be compared with the schema: numbers that are
// larger than those of Go count as the largest there, and stay what they are in inputs.
func jsonFormat() huma.Format {
	f := huma.DefaultJSONFormat
	f.Unmarshal = func(data []byte, v any) error {
		any, ok := v.(*any)
		if !ok {
			return json.Unmarshal(data, v)
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if err := decoder.Decode(any); err != nil {
			return err
		}
		if decoder.More() {
			return fmt.Errorf("there is more after the JSON value")
		}
		*any = withFloats(*any)
		return nil
	}
	return f
}

// withFloats has float64 for each number.
func withFloats(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, element := range v {
			v[name] = withFloats(element)
		}
	case []any:
		for i, element := range v {
			v[i] = withFloats(element)
		}
	case json.Number:
		f, _ := v.Float64()
		return max(-math.MaxFloat64, min(f, math.MaxFloat64))
	}
	return value
}

// orNull lets a field be null whose type has a name in the document.
func orNull(r huma.Registry, field string, in ...string) {
	for _, name := range in {
		s := r.Map()[name]
		s.Properties[field] = &huma.Schema{AnyOf: []*huma.Schema{s.Properties[field], {Type: "null"}}}
	}
}
