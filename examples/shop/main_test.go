package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/devstack/devtest"
	"sluice/internal/operate"
	"sluice/schema"
	"sluice/workflows"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const patience = 5 * time.Minute

// The servers and the dispatcher are there, as `worker --dev --servers-only` brings them; the shop does all the work.
func TestTheShopSellsAndMayOpenAgain(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	databaseURL := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	options := namespace(t)
	start(ctx, t, options, databaseURL)

	want := "8 orders placed\n" +
		"parcel 1: flour\nparcel 2: flour\nparcel 3: sugar\nparcel 4: sugar\nparcel 5: eggs\nparcel 6: eggs\nparcel 7: butter\nparcel 8: butter\n"
	var first, second strings.Builder
	require.NoError(t, run(ctx, databaseURL, options, &first))
	require.Equal(t, want, first.String())
	require.NoError(t, run(ctx, databaseURL, options, &second))
	require.Contains(t, second.String(), "parcel 16: butter\n")
}

// namespace is where a namespace of the test's own is.
func namespace(t *testing.T) (options client.Options) {
	t.Helper()
	options.ConnectionOptions.GetSystemInfoTimeout = patience
	options.HostPort, options.Namespace = devtest.Namespace(t, workflows.SearchAttributeTypes())
	return options
}

// start starts the dispatcher.
func start(ctx context.Context, t *testing.T, options client.Options, databaseURL string) {
	t.Helper()
	temporal, err := client.DialContext(ctx, options)
	require.NoError(t, err)
	defer temporal.Close()
	pool, err := pgxpool.New(ctx, databaseURL)
	require.NoError(t, err)
	defer pool.Close()
	_, err = operate.StartAll(ctx, temporal, options.Namespace, pool, operate.StartOptions{Actor: actor})
	require.NoError(t, err)
}

func TestTheShopNeedsADatabase(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), "", client.Options{}, nil), "DATABASE_URL")
}
