package page

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/store/estimates"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/series"
)

// WorkspaceView is what the page of a workspace shows.
type WorkspaceView struct {
	series.Workspace
	Limits      admin.WorkspaceLimits
	Tier        admin.Tier
	Plans       []admin.Tier
	Line        []figures.Place
	After       int // so many of the line come before
	Waits       map[uuid.UUID]admission.Reason
	StartsIn    map[uuid.UUID]estimates.Start
	Held, Ended []figures.Slot
	History     []figures.Changed
	Pauses      []admin.Pause // of it, of its types, and of all
}

// limit is one of the limits in force, with where it comes from.
type limit struct {
	name, value, from, field string
	temporary                *admin.TemporaryLimit // it holds for a time instead of its own or the plan's
	own                      string                // the workspace's own value, as a form has it
}

// limits are what holds for a workspace.
func (v WorkspaceView) limits() []limit {
	plan := "plan " + v.Tier.Plan
	own, tier := v.Limits, v.Tier
	most := valueOr(own.MaxConcurrentWorkflows, tier.MaxConcurrentWorkflows)
	list := []limit{
		numbered("Running at once", "max", own.MaxConcurrentWorkflows, &tier.MaxConcurrentWorkflows, plan, ""),
		numbered("Weight", "weight", own.Weight, &tier.Weight, plan, ""),
		numbered("Nominal quota", "nominal", own.NominalQuota, tier.NominalQuota, plan, fmt.Sprintf("%s: all that it may run", Count(most))),
		numbered("Borrowing limit", "borrowing", own.BorrowingLimit, tier.BorrowingLimit, plan, "up to what it may run"),
		numbered("Lending limit", "lending", own.LendingLimit, tier.LendingLimit, plan, "all of its nominal quota"),
	}
	rate := limit{name: "Starts a second", field: "rate", value: "not limited", from: "default"}
	switch {
	case own.StartsPerSecond != nil:
		rate.own = strconv.FormatFloat(*own.StartsPerSecond, 'g', -1, 64)
		rate.value, rate.from = rate.own, "its own"
	case tier.StartsPerSecond != nil:
		rate.value, rate.from = strconv.FormatFloat(*tier.StartsPerSecond, 'g', -1, 64), plan
	}
	list = append(list, rate)
	if own.StartsPerSecond != nil || tier.StartsPerSecond != nil || own.Burst != nil {
		list = append(list, numbered("Burst", "burst", own.Burst, tier.Burst, plan, "the starts of one second"))
	} else {
		list = append(list, limit{name: "Burst", field: "burst", value: "–", from: "without a rate there is none"})
	}
	cohort := limit{name: "Cohort", field: "cohort", value: "none", from: "default"}
	if own.Cohort != nil {
		cohort.value, cohort.own, cohort.from = *own.Cohort, *own.Cohort, "its own"
	}
	list = append(list, cohort)
	for i := range list {
		for _, t := range own.Temporary {
			if temporaryFields[t.Limit] == list[i].field {
				list[i].value, list[i].temporary = strconv.FormatFloat(t.To, 'g', -1, 64), &t
			}
		}
	}
	return list
}

// temporaryFields are the fields of limits that may hold for a time, by their names.
var temporaryFields = map[string]string{
	"maxConcurrentWorkflows": "max", "weight": "weight", "nominalQuota": "nominal", "borrowingLimit": "borrowing", "lendingLimit": "lending",
	"startsPerSecond": "rate", "burst": "burst",
}

// temporarily tells of a limit that holds for a time.
func temporarily(t admin.TemporaryLimit, now time.Time) string {
	return "for a time, " + ends(&t.Until, now) + ", by " + OneLine(t.Actor, 60) + reasonGiven(t.Reason)
}

// paused tells whether the workspace itself is paused.
func (v WorkspaceView) paused() bool {
	return slices.ContainsFunc(v.Pauses, func(p admin.Pause) bool { return Whole(p, v.ID) })
}

func numbered(name, field string, own, tier *int, plan, otherwise string) limit {
	l := limit{name: name, field: field, value: otherwise, from: "default"}
	switch {
	case own != nil:
		l.own, l.value, l.from = strconv.Itoa(*own), Count(*own), "its own"
	case tier != nil:
		l.value, l.from = Count(*tier), plan
	}
	return l
}

// placeholder is what holds if a field of the form is left empty.
func (v WorkspaceView) placeholder(l limit) string {
	switch {
	case l.own != "":
		return "as the plan says"
	case l.from == "default" || l.value == "–":
		return l.value
	}
	return l.value + " (" + l.from + ")"
}

func valueOr(p *int, otherwise int) int {
	if p == nil {
		return otherwise
	}
	return *p
}

// change is an entry of the history of limits: what it changed of whom.
type change struct {
	figures.Changed
	of    string
	texts []string
}

// words are limits as people call them, in the order in which they are told.
var words = [][2]string{
	{"plan", "plan"}, {"maxConcurrentWorkflows", "running at once"}, {"weight", "weight"}, {"nominalQuota", "nominal quota"}, {"borrowingLimit", "borrowing limit"},
	{"lendingLimit", "lending limit"}, {"startsPerSecond", "starts a second"}, {"burst", "burst"}, {"cohort", "cohort"}, {"ageingStep", "ageing step"}, {"shards", "shards"}, {"retention", "retention"},
	{"autoCreatePlan", "plan of new workspaces"}, {"taskQueue", "task queue"}, {"name", "name"}, {"externalKey", "key"},
}

// changes tells of each entry what was other than before. An entry has all that was set then, of a workspace, a plan, or all.
func changes(history []figures.Changed) []change {
	list := make([]change, len(history))
	before := map[string]map[string]any{}
	for i := len(history) - 1; i >= 0; i-- {
		c := change{Changed: history[i], of: "the workspace"}
		is := map[string]any{}
		_ = json.Unmarshal(c.Details, &is) // triggers write objects
		switch c.Action {
		case "tier-changed":
			c.of = fmt.Sprint("plan ", is["plan"])
			delete(is, "plan")
		case "settings-changed":
			c.of = "all workspaces"
		case "paused", "resumed", "temporary-limit-set", "temporary-limit-ended":
			c.texts = []string{passing(c.Action, is)}
			list[i] = c
			continue
		}
		was, known := before[c.of]
		for _, w := range words {
			old, new := was[w[0]], is[w[0]]
			if new == nil && (w[0] == "name" || w[0] == "externalKey") {
				continue // only an entry of a workspace that was made has them
			}
			if fmt.Sprint(old) == fmt.Sprint(new) {
				continue
			}
			switch {
			case new == nil:
				c.texts = append(c.texts, w[1]+" "+fmt.Sprint(old)+" taken away")
			case old == nil || !known:
				c.texts = append(c.texts, w[1]+" "+fmt.Sprint(new))
			default:
				c.texts = append(c.texts, fmt.Sprintf("%s %v → %v", w[1], old, new))
			}
		}
		before[c.of] = is
		list[i] = c
	}
	return list
}

// passing tells of an entry about what holds for a time, or until it is resumed.
func passing(action string, is map[string]any) string {
	text := action
	switch name := strings.ReplaceAll(fmt.Sprint(is["limit"]), "_", ""); {
	case is["workflowType"] != nil:
		text = fmt.Sprint(text, " type ", is["workflowType"])
	case is["definitionId"] != nil:
		text = fmt.Sprint(text, " definition ", is["definitionId"])
	case is["limit"] != nil:
		i := slices.IndexFunc(words, func(w [2]string) bool { return strings.EqualFold(w[0], name) })
		if text = name; i >= 0 {
			text = words[i][1]
		}
		if is["to"] == nil {
			text += " fell back"
		} else {
			text += fmt.Sprint(" ", is["to"], " for a time")
		}
	}
	if until, err := time.Parse(time.RFC3339, fmt.Sprint(is["until"])); err == nil {
		text += ", until " + until.UTC().Format("2006-01-02 15:04 UTC")
	}
	if why, given := is["reason"].(string); given {
		text += reasonGiven(why)
	}
	return OneLine(text, 300)
}

// detailsText is an object of the activity log in one line.
func detailsText(raw json.RawMessage) string {
	fields := map[string]any{}
	if json.Unmarshal(raw, &fields) != nil {
		return OneLine(string(raw), 200)
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text, isText := fields[name].(string)
		if !isText {
			value, _ := json.Marshal(fields[name])
			text = string(value)
		}
		parts = append(parts, name+" "+text)
	}
	return OneLine(strings.Join(parts, ", "), 240)
}
