package page

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"sluice/internal/admission"
	"sluice/internal/web/dashboard/series"
)

// WorkspacesQuery is which workspaces are listed, and how: the query of the page's address.
type WorkspacesQuery struct {
	Search, Plan, Reason string
	Sort                 string // the name of a column; with - before it the largest first
	Page                 int    // from 1 on
}

// PerPage is how many rows a page of a table has.
const PerPage = 100

// columns are those that a table of workspaces can be sorted by.
var columns = map[string]func(a, b series.Workspace) int{
	"name":    func(a, b series.Workspace) int { return 0 },
	"plan":    func(a, b series.Workspace) int { return strings.Compare(a.Plan, b.Plan) },
	"pending": func(a, b series.Workspace) int { return cmp.Compare(a.Pending, b.Pending) },
	"running": func(a, b series.Workspace) int { return cmp.Compare(a.Running, b.Running) },
	"rate":    func(a, b series.Workspace) int { return cmp.Compare(a.Starts, b.Starts) },
	"oldest":  func(a, b series.Workspace) int { return cmp.Compare(a.Longest, b.Longest) },
	"failed":  func(a, b series.Workspace) int { return cmp.Compare(a.Failed, b.Failed) },
	"reason":  func(a, b series.Workspace) int { return strings.Compare(string(a.Reason), string(b.Reason)) },
}

// DefaultSort is how workspaces are listed unless something else is asked for.
const DefaultSort = "-pending"

// Choose returns those of the workspaces that are asked for, in order, and how many there are of each reason without the choice of one.
func (q WorkspacesQuery) Choose(all []series.Workspace) (chosen []series.Workspace, reasons map[admission.Reason]int) {
	reasons = map[admission.Reason]int{}
	search := strings.ToLower(strings.TrimSpace(q.Search))
	for _, w := range all {
		if q.Plan != "" && w.Plan != q.Plan || !matches(w, search) {
			continue
		}
		reasons[w.Reason]++
		if q.Reason == "" || string(w.Reason) == q.Reason {
			chosen = append(chosen, w)
		}
	}
	column, largest := strings.CutPrefix(q.Sort, "-")
	compare, known := columns[column]
	if !known {
		compare, largest = columns["pending"], true
	}
	// By name already; those that are alike stay so.
	slices.SortStableFunc(chosen, func(a, b series.Workspace) int {
		if largest {
			return compare(b, a)
		}
		return compare(a, b)
	})
	if column == "name" && largest {
		slices.Reverse(chosen)
	}
	return chosen, reasons
}

func matches(w series.Workspace, search string) bool {
	return search == "" || strings.Contains(strings.ToLower(w.Name), search) ||
		w.ExternalKey != nil && strings.Contains(strings.ToLower(*w.ExternalKey), search) || strings.HasPrefix(w.ID.String(), search)
}

// at is the address of the same list with another value.
func (q WorkspacesQuery) at(change func(*WorkspacesQuery)) templ.SafeURL {
	q.Page = 0
	change(&q)
	page := ""
	if q.Page > 1 {
		page = strconv.Itoa(q.Page)
	}
	if q.Sort == DefaultSort {
		q.Sort = ""
	}
	return Address("/workspaces", "q", q.Search, "plan", q.Plan, "reason", q.Reason, "sort", q.Sort, "page", page)
}

func (q WorkspacesQuery) sortedBy(column string) templ.SafeURL {
	return q.at(func(q *WorkspacesQuery) {
		down := "-" + column
		if column == "name" || column == "plan" || column == "reason" {
			down, column = column, down
		}
		if cmp.Or(q.Sort, DefaultSort) == down {
			q.Sort = column
		} else {
			q.Sort = down
		}
	})
}

// direction is how a column is sorted, as aria-sort says it; empty: it is not.
func (q WorkspacesQuery) direction(column string) string {
	switch cmp.Or(q.Sort, DefaultSort) {
	case column:
		return "ascending"
	case "-" + column:
		return "descending"
	}
	return ""
}

func arrow(direction string) string {
	switch direction {
	case "ascending":
		return " ↑"
	case "descending":
		return " ↓"
	}
	return ""
}

// within is the page of a list of n rows that is nearest to one that is asked for.
func within(n, page int) int { return max(1, min(page, (n+PerPage-1)/PerPage)) }

// pageOf is the part of a list that a page has.
func pageOf[T any](list []T, page int) []T {
	from := (page - 1) * PerPage
	return list[from:min(len(list), from+PerPage)]
}
