package slots

import (
	"strings"

	"github.com/google/uuid"
)

// Record is how long executions of each kind take, in seconds, as it is put on record; nil while there is only one kind.
func (a *Account) Record() map[string]float64 {
	if a.kinds == nil {
		return nil
	}
	record := make(map[string]float64, len(a.kinds))
	for kind, of := range a.kinds {
		record[kind.name()] = of.Seconds()
	}
	return record
}

// Recall takes over what is on record. What names no kind, or is no time, is not known.
func (a *Account) Recall(record map[string]float64) {
	a.kinds = nil
	for name, seconds := range record {
		kind, ok := kindNamed(name)
		of := Known(seconds)
		if !ok || of.Count == 0 || len(a.kinds) >= mostKinds {
			continue
		}
		if a.kinds == nil {
			a.kinds = map[Kind]*Mean{}
		}
		a.kinds[kind] = &of
	}
}

const (
	typePrefix       = "type "
	definitionPrefix = "definition "
)

func (k Kind) name() string {
	if k.Type != "" {
		return typePrefix + k.Type
	}
	return definitionPrefix + uuid.UUID(k.Definition).String()
}

func kindNamed(name string) (Kind, bool) {
	if of, ok := strings.CutPrefix(name, typePrefix); ok {
		return Kind{Type: of}, of != ""
	}
	of, ok := strings.CutPrefix(name, definitionPrefix)
	id, err := uuid.Parse(of)
	return Kind{Definition: id}, ok && err == nil
}
