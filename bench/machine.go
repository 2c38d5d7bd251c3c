package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// machine is what a run was measured on.
type machine struct {
	cores    int
	system   string
	goes     string   // version of Go
	postgres []string // versions and settings of the servers, normally one; none if none was needed
	temporal []string
}

func (m machine) String() string {
	parts := []string{fmt.Sprintf("%d cores, %s, %s", m.cores, m.system, m.goes)}
	parts = append(parts, m.postgres...)
	for _, version := range m.temporal {
		parts = append(parts, "Temporal dev server "+version+" on SQLite")
	}
	return strings.Join(parts, "; ") + "; everything on this machine."
}

func thisMachine() machine {
	return machine{cores: runtime.NumCPU(), system: runtime.GOOS + "/" + runtime.GOARCH, goes: runtime.Version()}
}

// sawTemporal notes the version of a server.
func (b *bench) sawTemporal(version string) {
	if !slices.Contains(b.machine.temporal, version) {
		b.machine.temporal = append(b.machine.temporal, version)
	}
}

// sawPostgres notes the version of a server and the settings its speed depends on.
func (b *bench) sawPostgres(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var text string
	err = conn.QueryRow(ctx, `
		SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)
		       || ' (' || string_agg(name || ' ' || current_setting(name), ', ') || ')'
		FROM unnest(ARRAY['fsync', 'synchronous_commit', 'shared_buffers']) AS name`).Scan(&text)
	if err != nil {
		return fmt.Errorf("ask PostgreSQL for its version: %w", err)
	}
	if !slices.Contains(b.machine.postgres, text) {
		b.machine.postgres = append(b.machine.postgres, text)
	}
	return nil
}
