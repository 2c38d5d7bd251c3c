package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connections is how many a system may use; it is the default of DBOS.
const connections = 20

// createDatabase makes an empty one on the server and returns its URL; drop removes it.
func createDatabase(ctx context.Context, server, name string) (address string, drop func(), err error) {
	if err := execOnce(ctx, server, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, fmt.Errorf("parse the server's address: %w", err)
	}
	u.Path = "/" + name
	return u.String(), func() {
		// What cannot be dropped goes with its server.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = execOnce(ctx, server, "DROP DATABASE "+name+" WITH (FORCE)")
	}, nil
}

// tidy lets the dust of enqueueing settle: statistics gathered, nothing to be written out.
func tidy(ctx context.Context, url string) error {
	for _, statement := range []string{"VACUUM (ANALYZE)", "CHECKPOINT"} {
		if err := execOnce(ctx, url, statement); err != nil {
			return err
		}
	}
	return nil
}

func execOnce(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// openPool opens one with as many connections as a system may use.
func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database pool: %w", err)
	}
	return pool, nil
}

// serverSettings tells the server's version and the settings its speed depends on.
func serverSettings(ctx context.Context, server string) (text string, err error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = conn.QueryRow(ctx, `
		SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)
		       || ' (' || string_agg(name || ' ' || current_setting(name), ', ') || ')'
		FROM unnest(ARRAY['fsync', 'synchronous_commit', 'shared_buffers']) AS name`).Scan(&text)
	if err != nil {
		return "", fmt.Errorf("ask PostgreSQL for its version: %w", err)
	}
	return text, nil
}
