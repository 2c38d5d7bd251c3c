package connect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/postgres"
)

// Postgres opens a pool and returns it once the server has answered. open makes the pool and need not connect; nil
// stands for one of postgres.Config. The caller closes the pool. Errors: *Error, or the context's.
func Postgres(ctx context.Context, databaseURL string, wait Wait, open func(context.Context, string) (*pgxpool.Pool, error)) (*pgxpool.Pool, error) {
	address, err := postgresAddress(databaseURL)
	if err != nil {
		return nil, err
	}
	if open == nil {
		open = openPool
	}
	pool, err := open(ctx, databaseURL)
	if err != nil {
		return nil, &Error{Server: "Postgres", Address: address, Reason: scrub(err.Error(), databaseURL), Remedy: remedyURL, Err: err}
	}
	err = wait.until(ctx, "Postgres", address, func(ctx context.Context) *failure {
		return postgresFailure(pool.Ping(ctx), databaseURL)
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

func openPool(ctx context.Context, databaseURL string) (*pgxpool.Pool, error) {
	config, err := postgres.Config(databaseURL)
	if err != nil {
		return nil, err
	}
	return pgxpool.NewWithConfig(ctx, config)
}

const (
	remedyURL     = "set DATABASE_URL to postgres://user:password@host:5432/database"
	remedyAddress = "is it running, and is DATABASE_URL right?"
)

// postgresAddress returns the servers that the URL names as host:port. It takes all that libpq takes: hosts may be several, or a socket's
// directory with its slashes percent-encoded, which are no URL to package net/url.
func postgresAddress(databaseURL string) (string, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		reason, remedy := "the database URL is malformed", remedyURL
		// What no URL is may quote a password with characters that are not escaped: then nothing more is told.
		if _, malformed := url.Parse(databaseURL); malformed != nil && isURL(databaseURL) {
			remedy += " and percent-encode characters such as # % / : @ in the password"
		} else if inner := errors.Unwrap(err); inner != nil {
			reason += ": " + scrub(inner.Error(), databaseURL)
		}
		return "", &Error{Server: "Postgres", Reason: reason, Remedy: remedy, Err: errors.New("malformed url")}
	}
	addresses := []string{hostPort(config.Host, config.Port)}
	for _, fallback := range config.Fallbacks {
		if a := hostPort(fallback.Host, fallback.Port); !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	return strings.Join(addresses, ", "), nil
}

func isURL(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

func hostPort(host string, port uint16) string {
	if strings.HasPrefix(host, "/") {
		return fmt.Sprintf("%s/.s.PGSQL.%d", host, port)
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// postgresFailure tells what a ping's error means; nil for nil.
func postgresFailure(err error, databaseURL string) *failure {
	if err == nil {
		return nil
	}
	f := &failure{reason: networkReason(err), remedy: remedyAddress, err: err}
	var pg *pgconn.PgError
	var refusal *postgres.Refusal
	switch {
	case errors.As(err, &refusal):
		f.final, f.reason, f.remedy = true, refusal.Reason, refusal.Remedy
	case errors.As(err, &pg):
		f.reason = pg.Message
		if pg.Code == "53300" { // too_many_connections: others may end theirs
			f.remedy = "raise max_connections, or the CONNECTION LIMIT of the role or database, or give each worker fewer (--postgres-connections)"
		}
		if remedy := postgresRemedy(pg); remedy != "" {
			f.final, f.remedy = true, remedy
		}
	case f.reason == "":
		f.reason = scrub(innermost(err).Error(), databaseURL)
		if isTLS(err.Error()) {
			f.final, f.remedy = true, "check sslmode and sslrootcert in DATABASE_URL"
		}
	}
	return f
}

// postgresRemedy is what to do about an answer of the server, or of a pooler before it, that stays the same however often one
// asks; "" for others.
func postgresRemedy(pg *pgconn.PgError) string {
	switch pg.Code {
	case "28P01", "28000": // invalid_password, invalid_authorization_specification
		return "check user, password and sslmode in DATABASE_URL"
	case "3D000": // invalid_catalog_name
		return "create the database, or name another one in DATABASE_URL"
	case "42501": // insufficient_privilege
		return "grant the role of DATABASE_URL the right to connect, or name another role"
	case "42704", "22023", "55P02": // undefined_object, invalid_parameter_value, cant_change_runtime_param
		return "take the setting out of DATABASE_URL and PGOPTIONS, or mend it there"
	case "08P01": // protocol_violation: what PgBouncer says of most things
		if name, ok := strings.CutPrefix(pg.Message, "unsupported startup parameter: "); ok {
			return fmt.Sprintf("take %[1]s out of DATABASE_URL and PGOPTIONS, or have PgBouncer pass over it (ignore_startup_parameters = %[1]s)", name)
		}
		if strings.HasPrefix(pg.Message, "no such database") || strings.HasPrefix(pg.Message, "no such user") {
			return "add it to PgBouncer's configuration, or check DATABASE_URL"
		}
	}
	return ""
}

// networkReason is the bare reason of a failed dial, or "".
func networkReason(err error) string {
	var dns *net.DNSError
	var errno syscall.Errno
	switch {
	case errors.As(err, &dns):
		return "host " + dns.Name + " is unknown: " + dns.Err
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return ""
}

func isTLS(message string) bool {
	for _, sign := range []string{"tls:", "x509:", "TLS connection", "tls error", "certificate"} {
		if strings.Contains(message, sign) {
			return true
		}
	}
	return false
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// scrub takes the password out of a text.
func scrub(text, databaseURL string) string {
	config, err := pgx.ParseConfig(databaseURL)
	secrets := []string{databaseURL}
	if err == nil {
		secrets = append(secrets, config.Password)
	} else if u, err := url.Parse(databaseURL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password)
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "xxxxx")
		}
	}
	return text
}
