package catalog

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Installation says which namespace the database belongs to.
type Installation struct {
	ID          uuid.UUID
	Database    string // the database's name
	Namespace   string // empty: none yet
	NamespaceID string
	Running     int // executions that hold a slot
}

var installationSQL = load("installation")

// ReadInstallation reads it.
func ReadInstallation(ctx context.Context, db store.DB) (Installation, error) {
	i, err := one[Installation](ctx, db, installationSQL)
	return i, store.Wrap(err, "read which namespace the database belongs to")
}

var pairSQL = load("pair", "namespace", "namespace_id")

// Pair notes the namespace of a database that has none. It changes nothing, and is no error, when there is one.
func Pair(ctx context.Context, db store.DB, namespace, namespaceID string) error {
	_, err := db.Exec(ctx, pairSQL, namespace, namespaceID)
	return store.Wrap(err, "note which namespace the database belongs to")
}

// ErrRunning says that executions hold slots, so the database cannot move to another namespace.
var ErrRunning = errors.New("executions still run")

var moveSQL = load("move", "namespace", "namespace_id", "abandon")

// Move gives the database to another namespace, as another installation. Unless abandon is true, it returns ErrRunning while
// executions hold slots: they run in the namespace that it leaves.
func Move(ctx context.Context, db store.DB, namespace, namespaceID string, abandon bool) (id uuid.UUID, err error) {
	err = db.QueryRow(ctx, moveSQL, namespace, namespaceID, abandon).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrRunning
	}
	return id, store.Wrap(err, "give the database to namespace "+namespace)
}

// CallbackSecret is what the calls are signed with by which Temporal tells that workflows have ended.
type CallbackSecret struct {
	Namespace string
	Key       string
}

var callbackSecretSQL = load("callback_secret")

// ReadCallbackSecret reads it; an error says that the database belongs to no namespace yet.
func ReadCallbackSecret(ctx context.Context, db store.DB) (CallbackSecret, error) {
	s, err := one[CallbackSecret](ctx, db, callbackSecretSQL)
	return s, store.Wrap(err, "read what callbacks are signed with")
}
