package page

import (
	"slices"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/admin"
)

// Selection is which items somebody means: those of a list, as its address has them, or with Group those of a group of failures.
type Selection struct {
	Workspace, Definition       uuid.UUID
	Type, Status, Reason, Error string
	Workflow                    string // the id in Temporal; a list knows it, and actions on many items do not
	Group, Since                string // the key of a group, and the time over which it is counted
}

// query is the selection as an address has it, with more after it.
func (s Selection) query(more ...string) []string {
	return append([]string{"workspace", orNone(s.Workspace), "definition", orNone(s.Definition), "type", s.Type, "workflow", s.Workflow, "status", s.Status, "reason", s.Reason, "error", s.Error,
		"group", s.Group, "since", s.Since}, more...)
}

// Items is the address of the list of the items.
func (s Selection) Items() templ.SafeURL { return Address("/items", s.query()...) }

// without is the address of the list of the items when this narrows it no more.
func (s Selection) without(names ...string) templ.SafeURL {
	pairs := s.query()
	for i := 0; i < len(pairs); i += 2 {
		if slices.Contains(names, pairs[i]) {
			pairs[i+1] = ""
		}
	}
	return Address("/items", pairs...)
}

// Everything tells whether nothing narrows it.
func (s Selection) Everything() bool { return s == Selection{} }

// Actions are what can be done to many items, in the order in which they are offered.
var Actions = []admin.Action{admin.Cancel, admin.Terminate, admin.Retry, admin.Replay, admin.Reprioritize}

// actions are those that some of the items may be for.
func (s Selection) actions() (list []admin.Action) {
	for _, a := range Actions {
		if s.may(a) {
			list = append(list, a)
		}
	}
	return list
}

func (s Selection) may(a admin.Action) bool {
	switch {
	case s.Workflow != "":
		return false
	case s.Status != "" && !slices.Contains(a.Statuses(), s.Status):
		return false
	case s.Reason != "": // of what ended without an execution
		return a == admin.Retry
	case s.Group != "": // of executions
		return a == admin.Replay
	}
	return true
}

// do is the address of the page on which an action is begun.
func (s Selection) do(a admin.Action) templ.SafeURL {
	return Address("/bulk", s.query("action", string(a))...)
}
