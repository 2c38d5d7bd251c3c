package page

import (
	"fmt"
	"slices"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/store/figures"
)

// Windows are the times over which failures and types are counted.
var Windows = []struct {
	Word string
	For  time.Duration
}{{"15m", 15 * time.Minute}, {"1h", time.Hour}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}}

// DefaultWindow is that which is counted unless another is asked for.
const DefaultWindow = "24h"

// WindowOf is the time that a word stands for; of a word that stands for none that of DefaultWindow.
func WindowOf(word string) (time.Duration, string) {
	for _, w := range Windows {
		if w.Word == word {
			return w.For, w.Word
		}
	}
	return 24 * time.Hour, DefaultWindow
}

// FailuresView is what the page of failures shows.
type FailuresView struct {
	Groups    []figures.Failure
	Window    string
	Workspace uuid.UUID
	Name      string // of the workspace
}

func (v FailuresView) total() (n int) {
	for _, g := range v.Groups {
		n += g.N
	}
	return n
}

// cut tells whether there are more of an outcome than are grouped.
func (v FailuresView) cut() bool {
	byStatus := map[string]int{}
	for _, g := range v.Groups {
		key := g.Status
		if g.Reason != "" {
			key += " refused"
		}
		if byStatus[key] += g.N; byStatus[key] >= figures.MostOfGroup {
			return true
		}
	}
	return false
}

// of are the items of a group: exactly those that are counted.
func (v FailuresView) of(g figures.Failure) Selection {
	return Selection{Workspace: v.Workspace, Type: g.WorkflowType, Status: g.Status, Reason: g.Reason, Group: g.Key, Since: v.Window}
}

// bars are the heights of 24 bars, one for each part of the time.
func bars(g figures.Failure) [24]int {
	var counts [24]int
	for _, at := range g.At {
		counts[at]++
	}
	return counts
}

// barsPath draws bars into 120 by 22.
func barsPath(counts [24]int) string {
	most := 1
	for _, n := range counts {
		most = max(most, n)
	}
	path := ""
	for i, n := range counts {
		if n > 0 {
			height := max(2, 20*float64(n)/float64(most))
			path += fmt.Sprintf("M%d 22v-%sh4v%sz", i*5, number(height), number(height))
		}
	}
	return path
}

// TypesView is what the page of types and definitions shows.
type TypesView struct {
	Kinds  []figures.Kind
	Window string
	Name   string // of the definitions that are shown each by itself
	Names  map[uuid.UUID]string
	Pauses []admin.Pause
}

// paused tells whether nothing is claimed of a type anywhere, or of a definition, or of one of those of a name.
func (v TypesView) paused(k figures.Kind) bool {
	return slices.ContainsFunc(v.Pauses, func(p admin.Pause) bool {
		if k.IsDefinition {
			return p.DefinitionID != nil && (k.Definition == nil && Value(p.DefinitionName) == k.Name || Value(k.Definition) == *p.DefinitionID)
		}
		return p.WorkspaceID == nil && p.WorkflowType != nil && *p.WorkflowType == k.Name
	})
}

// pauseAt is where it is paused or resumed: of several definitions of a name where one of them is chosen. Empty: it has been deleted.
func (v TypesView) pauseAt(k figures.Kind) templ.SafeURL {
	switch {
	case !k.IsDefinition && k.Name != "":
		return Address("/pauses", "type", k.Name)
	case k.Definition != nil && k.Name != "":
		return Address("/pauses", "definition", k.Definition.String())
	case k.Name != "":
		return v.at(k)
	}
	return ""
}

// at is the list of what is counted; of definitions of several workspaces, those by workspace.
func (v TypesView) at(k figures.Kind, query ...string) templ.SafeURL {
	switch {
	case !k.IsDefinition && k.Name != "":
		return ItemsAt(append([]string{"type", k.Name}, query...)...)
	case k.Definition != nil && k.WorkspaceID != nil:
		return ItemsAt(append([]string{"workspace", k.WorkspaceID.String(), "definition", k.Definition.String()}, query...)...)
	}
	return Address("/types", "name", k.Name, "since", v.Window)
}

// ActivityView is what the page of the activity log shows.
type ActivityView struct {
	List      []figures.Done
	Workspace uuid.UUID
	Actor     string
	Before    time.Time // zero: from now on
	Since     time.Time // so far back it looks
	Names     map[uuid.UUID]string
	Most      int
}

func (v ActivityView) at(actor string, workspace uuid.UUID, before time.Time) templ.SafeURL {
	text := ""
	if !before.IsZero() {
		text = before.UTC().Format(time.RFC3339Nano)
	}
	return Address("/activity", "actor", actor, "workspace", orNone(workspace), "before", text)
}

// older is from where the next page goes on.
func (v ActivityView) older() time.Time {
	if len(v.List) == v.Most {
		return v.List[len(v.List)-1].At
	}
	return v.Since
}

// Values that stand for none.
var (
	none  uuid.UUID
	never time.Time
)
