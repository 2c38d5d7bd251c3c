package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/require"

	"sluice/internal/web/api"
)

// document is the one that the API serves.
var document struct {
	sync.Mutex
	validator validator.Validator
	raw       []byte
}

func (b *bundle) document() ([]byte, validator.Validator) {
	b.t.Helper()
	document.Lock()
	defer document.Unlock()
	if document.validator == nil {
		response, err := http.Get(b.url + "/api/openapi.json")
		require.NoError(b.t, err)
		defer response.Body.Close()
		require.Equal(b.t, "application/openapi+json", response.Header.Get("Content-Type"))
		document.raw, err = io.ReadAll(response.Body)
		require.NoError(b.t, err)
		parsed, err := libopenapi.NewDocument(document.raw)
		require.NoError(b.t, err)
		v, errs := validator.NewValidator(parsed)
		require.Empty(b.t, errs)
		document.validator = v
	}
	return document.raw, document.validator
}

// compare says that an answer is one that the document has, and where it is no problem the request too. Every test compares all that it sends.
func (b *bundle) compare(r *http.Request, sent io.Reader, got reply) {
	b.t.Helper()
	_, v := b.document()
	if got.status >= 400 {
		require.Equal(b.t, "application/problem+json", got.header.Get("Content-Type"), string(got.raw))
		var p struct{ Code, Detail, Title string }
		require.NoError(b.t, json.Unmarshal(got.raw, &p))
		require.NotEmpty(b.t, p.Code)
		require.NotEmpty(b.t, p.Detail)
		require.NotEmpty(b.t, p.Title)
		if p.Code == "no-route" || p.Code == "method" {
			return
		}
	}
	if r.URL.Path == "/api/openapi.json" || r.URL.Path == "/api/v1/nothing" {
		return
	}
	response := &http.Response{StatusCode: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.raw)), Request: r}
	valid, errs := v.ValidateHttpResponse(r, response)
	require.True(b.t, valid, "%s %s: %v: %s", r.Method, r.URL, errs, got.raw)
	if got.status >= 400 {
		return
	}
	if body, ok := sent.(*bytes.Reader); ok {
		_, err := body.Seek(0, io.SeekStart)
		require.NoError(b.t, err)
		raw, err := io.ReadAll(body)
		require.NoError(b.t, err)
		if !json.Valid(raw) || json.Unmarshal(raw, new(any)) != nil {
			return // the validator has no numbers as large as those that may be sent
		}
		r.Body = io.NopCloser(bytes.NewReader(raw))
	}
	r.Header.Set("Authorization", "Bearer x") // it may be one of those on loopback
	valid, errs = v.ValidateHttpRequest(r)
	require.True(b.t, valid, "%s %s: %v", r.Method, r.URL, errs)
}

// operation is one of the document's.
type operation struct {
	OperationID string `json:"operationId"`
	Summary     string
	Description string
	Security    []map[string][]string
	Parameters  []parameter
	RequestBody *struct {
		Required bool
		Content  map[string]struct{ Schema map[string]any }
	} `json:"requestBody"`
	Responses map[string]any

	method, path string
}

type parameter struct {
	Name, In string
	Required bool
	Schema   map[string]any
}

// schema is that of the body, nil for none.
func (o operation) schema() map[string]any {
	if o.RequestBody == nil {
		return nil
	}
	return o.RequestBody.Content["application/json"].Schema
}

// operations are all of the document, and its schemas by name.
func (b *bundle) operations() (all []operation, schemas map[string]any) {
	b.t.Helper()
	raw, _ := b.document()
	var parsed struct {
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]any }
	}
	require.NoError(b.t, json.Unmarshal(raw, &parsed))
	for path, methods := range parsed.Paths {
		for method, o := range methods {
			o.method, o.path = method, path
			all = append(all, o)
		}
	}
	require.Greater(b.t, len(all), 15)
	return all, parsed.Components.Schemas
}

func TestTheDocumentIsValidAndSaysWhatATokenNeeds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, v := b.document()
	valid, errs := v.ValidateDocument()
	require.True(t, valid, "%v", errs)
	seen := map[string]bool{}
	all, _ := b.operations()
	for _, o := range all {
		require.NotEmpty(t, o.OperationID, o.path)
		require.False(t, seen[o.OperationID], o.OperationID)
		seen[o.OperationID] = true
		require.NotEmpty(t, o.Summary, o.OperationID)
		require.Contains(t, o.Description, "Needs: ", o.OperationID)
		require.NotEmpty(t, o.Security, o.OperationID)
		require.Contains(t, o.Responses, "default", o.OperationID)
	}
}

var update = flag.Bool("update", false, "write the routes to docs/reference.md")

func TestTheReferenceHasEveryRoute(t *testing.T) {
	t.Parallel()
	const file = "../../../docs/reference.md"
	reference, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, _ := strings.Cut(string(reference), "-update -->\n")
	_, after, found := strings.Cut(rest, "<!-- end of routes -->")
	require.True(t, found, "docs/reference.md has no place for the routes")
	want := before + "-update -->\n\n" + routes(t) + "\n<!-- end of routes -->" + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(reference), "go test ./internal/web/api -run %s -update", t.Name())
}

// routes is a table of all routes: those of a tag together, by path.
func routes(t *testing.T) string {
	t.Helper()
	raw, err := api.Document()
	require.NoError(t, err)
	var document struct {
		Tags  []struct{ Name string }
		Paths map[string]map[string]struct {
			Summary, Description string
			Tags                 []string
		}
	}
	require.NoError(t, json.Unmarshal(raw, &document))
	needs := strings.NewReplacer("Any token.", "any", "A token of a workspace, or one of role operator-write.", "a workspace, or operator-write",
		"A token of an operator.", "an operator", "A token of role operator-write.", "operator-write")
	table := "| route | needs a token of | |\n|---|---|---|\n"
	for _, tag := range document.Tags {
		for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
			for _, method := range []string{"get", "post", "put", "patch", "delete"} {
				o, ok := document.Paths[path][method]
				if !ok || o.Tags[0] != tag.Name {
					continue
				}
				_, who, _ := strings.Cut(o.Description, "Needs: ")
				table += fmt.Sprintf("| `%s %s` | %s | %s |\n", strings.ToUpper(method), path, needs.Replace(who), o.Summary)
			}
		}
	}
	return table
}
