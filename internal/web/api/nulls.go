package api

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// withoutNulls refuses a null where the document has none. huma takes it as not given, and a caller whose variable was empty would have paused
// all workspaces in place of one.
func withoutNulls(h huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		raw, err := io.ReadAll(r.Body) // serve has read it
		r.Body = io.NopCloser(bytes.NewReader(raw))
		if described := ctx.Operation().RequestBody; err == nil && described != nil && bytes.Contains(raw, []byte("null")) {
			var value any
			if json.Unmarshal(raw, &value) == nil { // what is no JSON is refused by others
				if place := nullIn(h.OpenAPI().Components.Schemas, described.Content["application/json"].Schema, value, "body"); place != "" {
					p := newProblem(http.StatusUnprocessableEntity, "invalid", place+": null is no value here: leave the field out")
					p.Faults = []Fault{{Where: place, What: "null is no value here: leave the field out"}}
					p.write(w)
					return
				}
			}
		}
		next(ctx)
	}
}

// nullIn is the place of a null that the schema does not allow; empty for none.
func nullIn(r huma.Registry, s *huma.Schema, value any, place string) string {
	for s != nil && s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	if s == nil {
		return ""
	}
	switch v := value.(type) {
	case nil:
		if s.Type != "" && !s.Nullable {
			return place
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			of := s.Properties[name]
			if more, ok := s.AdditionalProperties.(*huma.Schema); of == nil && ok {
				of = more
			}
			if found := nullIn(r, of, v[name], place+"."+cut(name)); found != "" {
				return found
			}
		}
	case []any:
		for _, element := range v {
			if found := nullIn(r, s.Items, element, place+"[]"); found != "" {
				return found
			}
		}
	}
	return ""
}
