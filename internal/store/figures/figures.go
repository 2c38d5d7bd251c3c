package figures

import (
	"embed"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

//go:embed sql/*.sql
var files embed.FS

func load(name string, parameters ...string) string { return store.Load(files, name, parameters...) }

// fresh has a statement planned for its arguments each time: NULL stands for all there is.
const fresh = pgx.QueryExecModeCacheDescribe

func orAny(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
