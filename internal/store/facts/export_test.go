package facts

// What these read is tested.
var (
	ItemsSQL              = itemsSQL
	WaitsSQL              = waitsSQL
	CapacityWorkspacesSQL = capacityWorkspacesSQL
	HeldSlotsSQL          = heldSlotsSQL
)

// Statement is one of those that a listing runs.
type Statement struct {
	SQL  string
	Args []any
}

func (f Filter) Statements() (list []Statement) {
	for _, s := range f.statements() {
		list = append(list, Statement{s.sql, s.args})
	}
	return list
}
