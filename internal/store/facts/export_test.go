package facts

// What these read is tested.
var (
	ItemsSQL              = itemsSQL
	NewestSQL             = newestSQL
	WaitsSQL              = waitsSQL
	CapacityWorkspacesSQL = capacityWorkspacesSQL
	HeldSlotsSQL          = heldSlotsSQL
)
