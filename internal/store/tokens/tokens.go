package tokens

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice/internal/store"
)

//go:embed sql/*.sql
var files embed.FS

var (
	createSQL = store.Load(files, "create", "name", "hash", "role", "workspace", "payloads", "actor", "expires_at")
	listSQL   = store.Load(files, "list")
	revokeSQL = store.Load(files, "revoke", "id", "actor")
	findSQL   = store.Load(files, "find", "hash")
	anySQL    = store.Load(files, "any")
	usedSQL   = store.Load(files, "used", "id")
)

// prefix tells what a token is where one is found, in a log for example.
const prefix = "sluice_"

// Hash is what is stored of a token.
type Hash [sha256.Size]byte

// HashOf hashes a token.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// Generate makes a token.
func Generate() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails
	return prefix + base64.RawURLEncoding.EncodeToString(random[:])
}

// New is a token that is to be recorded.
type New struct {
	Name        string
	Role        string
	WorkspaceID *uuid.UUID // of the role workspace
	Payloads    bool
	ExpiresAt   *time.Time // nil: never
}

// Create records a token. store.ErrUnknownWorkspace says that there is no such workspace.
func Create[T any](ctx context.Context, tx pgx.Tx, n New, hash Hash, actor string) (created T, err error) {
	rows, err := store.Collect[T](ctx, tx, createSQL, n.Name, hash[:], n.Role, n.WorkspaceID, n.Payloads, actor, n.ExpiresAt)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "23503":
		return created, &store.RequestError{Kind: store.ErrUnknownWorkspace, Message: "unknown workspace " + n.WorkspaceID.String(), Hint: "list them with: starter workspace list"}
	case err != nil:
		return created, err
	}
	return rows[0], nil
}

// List lists all tokens there ever were, newest first.
func List[T any](ctx context.Context, db store.DB) ([]T, error) {
	list, err := store.Collect[T](ctx, db, listSQL)
	return list, store.Wrap(err, "list tokens")
}

// Revoke has a token found no more; known is false where there is none of this id. One that was revoked before stays as it was.
func Revoke[T any](ctx context.Context, tx pgx.Tx, id uuid.UUID, actor string) (revoked T, known bool, err error) {
	rows, err := store.Collect[T](ctx, tx, revokeSQL, id, actor)
	if err != nil || len(rows) == 0 {
		return revoked, false, err
	}
	return rows[0], true, nil
}

// Found is a token that is good.
type Found struct {
	ID           uuid.UUID
	Name         string
	Role         string
	WorkspaceID  *uuid.UUID
	SeesPayloads bool
	ExpiresAt    *time.Time
}

// Find returns the token of this hash, or nil where none is good.
func Find(ctx context.Context, db store.DB, hash Hash) (*Found, error) {
	rows, err := store.Collect[struct {
		Found
		Hash []byte
	}](ctx, db, findSQL, hash[:])
	if err != nil || len(rows) == 0 {
		return nil, store.Wrap(err, "look for a token")
	}
	if subtle.ConstantTimeCompare(rows[0].Hash, hash[:]) != 1 {
		return nil, nil
	}
	return &rows[0].Found, nil
}

// Any tells whether there is a token, or ever was.
func Any(ctx context.Context, db store.DB) (any bool, err error) {
	err = db.QueryRow(ctx, anySQL).Scan(&any)
	return any, store.Wrap(err, "look for tokens")
}

// Used notes that a token has been used, to some minutes.
func Used(ctx context.Context, db store.DB, id uuid.UUID) error {
	_, err := db.Exec(ctx, usedSQL, id)
	return store.Wrap(err, "note the use of a token")
}
