package facts

import "time"

// What these read is tested.
var (
	ItemsSQL              = itemsSQL
	WaitsSQL              = waitsSQL
	CapacityWorkspacesSQL = capacityWorkspacesSQL
	HeldSlotsSQL          = heldSlotsSQL
	NewestCompletedSQL    = newestCompletedSQL
)

// Statement is one of those that a listing runs.
type Statement struct {
	SQL  string
	Args []any
}

func (f Filter) Statements(since time.Time) (list []Statement) {
	for _, s := range f.statements(since) {
		list = append(list, Statement{s.sql, s.args})
	}
	return list
}
