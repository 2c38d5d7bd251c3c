package page

import (
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/web/dashboard/series"
)

// PausesView is what is paused, and what the form to pause something begins with.
type PausesView struct {
	Pauses     []admin.Pause
	Dispatcher *series.Dispatcher // one that is paused itself; nil: none is

	Workspace, WorkspaceName, Type string
	Definition, DefinitionName     string
}

// pausedText says what is paused.
func pausedText(p admin.Pause) string {
	text := "everything"
	switch {
	case p.WorkflowType != nil:
		text = "type " + OneLine(*p.WorkflowType, 80)
	case p.DefinitionID != nil:
		text = "definition " + OneLine(first(Value(p.DefinitionName), p.DefinitionID.String()), 80)
	case p.WorkspaceID != nil:
		return "workspace " + workspaceOf(p)
	}
	if p.WorkspaceID != nil {
		text += " of workspace " + workspaceOf(p)
	}
	return text
}

func workspaceOf(p admin.Pause) string {
	return OneLine(first(Value(p.WorkspaceName), Value(p.WorkspaceID).String()), 80)
}

// pausedItems are the items that a pause keeps.
func pausedItems(p admin.Pause) templ.SafeURL {
	return Selection{Workspace: Value(p.WorkspaceID), Type: Value(p.WorkflowType), Definition: Value(p.DefinitionID), Status: "PENDING"}.Items()
}

// scopeFields name what is paused, as a form has it.
func scopeFields(p admin.Pause) [][2]string {
	return [][2]string{{"workspace", orNone(Value(p.WorkspaceID))}, {"type", Value(p.WorkflowType)}, {"definition", orNone(Value(p.DefinitionID))}}
}

// ends is when a pause ends.
func ends(until *time.Time, now time.Time) string {
	if until == nil {
		return "until it is resumed"
	}
	return "ends " + Ago(*until, now) + ", at " + until.UTC().Format("2006-01-02 15:04 UTC")
}

// Keeps tells whether a pause keeps something of a workspace.
func Keeps(p admin.Pause, workspace uuid.UUID) bool {
	return p.WorkspaceID == nil || *p.WorkspaceID == workspace
}

// Whole tells whether a pause keeps all of a workspace, or with the nil id all there is, and nothing else.
func Whole(p admin.Pause, workspace uuid.UUID) bool {
	return Value(p.WorkspaceID) == workspace && p.WorkflowType == nil && p.DefinitionID == nil
}
