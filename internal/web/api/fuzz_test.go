package api_test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"sluice/admin"
)

// world is what requests are drawn for: two workspaces, and the tokens of an operator, of a reader, and of one of the workspaces.
type world struct {
	*bundle
	foreign  foreign
	own      string // the token of the workspace
	secrets  []string
	all      []operation
	schemas  map[string]any
	known    map[string][]string
	answered map[int]int // by the first digit of the status
}

func (b *bundle) world() *world {
	b.t.Helper()
	f, own := b.newForeign(), b.token(admin.RoleWorkspace, b.workspace, true)
	w := &world{bundle: b, foreign: f, own: own, answered: map[int]int{},
		secrets: []string{b.token(admin.RoleOperatorWrite, uuid.Nil, true), own, b.token(admin.RoleOperatorRead, uuid.Nil, false)},
		known: map[string][]string{
			"workspace": {b.workspace.String(), f.workspace, f.key}, "definition": {b.definition.String(), f.definition}, "after": {b.definition.String(), f.definition}, "id": {b.enqueue(), b.enqueue(), f.item}, "before": {f.item},
			"wait": {"0", "1ms", "10ms"}, "since": {"1m", "1h"}, "grace": {"0", "1ms"}, "dryRun": {"true", "false"}, "plan": {"FREE", "PRO", "DRAWN"}, "uniqueKey": {"k", "l"}, "Idempotency-Key": {"k", "l"},
		}}
	w.all, w.schemas = b.operations()
	slices.SortFunc(w.all, func(x, y operation) int { return strings.Compare(x.OperationID, y.OperationID) })
	return w
}

// ask draws a request, sends it, and judges the answer: it is no error of the server's own, the document has it, and one for the workspace has
// nothing of the other, nor has it changed anything there.
func (w *world) ask(t *rapid.T) {
	a := artist{t, w.schemas, w.known}
	o := pick(t, "operation", w.all...)
	method, target, body, headers := a.request(o)
	if strings.Contains(target, "wait=") && !strings.Contains(target, "wait=0") && !strings.Contains(target, "wait=1") {
		return // it may be minutes
	}
	own, f := w.workspace.String(), w.foreign
	if o.OperationID == "delete-workspace" && !strings.Contains(target, "dryRun=true") && slices.ContainsFunc([]string{own, f.workspace, f.key}, func(name string) bool { return strings.Contains(target, name) }) {
		return // there would be nothing left to ask for
	}
	secret := pick(t, "token", w.secrets...)
	before := ""
	if secret == w.own {
		before = w.snapshot(f.workspace)
	}
	got := w.send(secret, method, target, body, headers...)
	w.answered[got.status/100]++
	if got.status >= http.StatusInternalServerError {
		t.Fatalf("%s %s %.2000v: %d %s\n%s", method, target, body, got.status, got.raw, w.logged.text())
	}
	if secret != w.own {
		return
	}
	for _, mark := range f.marks() {
		if strings.Contains(plain(f, got), mark) {
			t.Fatalf("%s %s %.2000v: the answer has %s of another workspace: %s", method, target, body, mark, got.raw)
		}
	}
	if after := w.snapshot(f.workspace); after != before {
		t.Fatalf("%s %s %.2000v: it has changed what is another's: before\n%s\nafter\n%s", method, target, body, before, after)
	}
}

// What is drawn from the document is answered as the document says, whatever has been asked before.
func TestNoRequestMakesTheServerFail(t *testing.T) {
	t.Parallel()
	w := setup(t).world()
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			w.ask(t)
		}
	})
	if w.answered[2] < w.answered[4]/20 {
		t.Errorf("too few requests are such as the document asks for: %v", w.answered)
	}
	t.Log(w.answered)
}

const (
	// leastDrawn is how many bytes one request takes at least.
	leastDrawn = 64
	// mostRequests is how many requests an input makes at most.
	mostRequests = 20
)

// Each input is for a database of its own, so that one that fails fails alone, too.
func FuzzAPI(f *testing.F) {
	for seed := range uint64(8) {
		data := make([]byte, 4096)
		_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
		f.Add(data)
	}
	temporal, namespace := dialTemporal(f)
	setupWith(f, temporal, namespace) // starts what all inputs share: one that takes ten seconds counts as hanging
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < leastDrawn {
			t.Skip("too few bytes to draw requests from")
		}
		w := setupWith(t, temporal, namespace).world()
		rapid.MakeFuzz(func(t *rapid.T) {
			for range mostRequests {
				w.ask(t)
			}
		})(t, data)
	})
}
