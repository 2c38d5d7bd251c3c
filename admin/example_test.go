package admin_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/admin"
)

// order is a definition file: its nodes name those that must have completed before them.
const order = `{"name": "fulfil-order", "timeout": "1h", "nodes": [
	{"name": "reserve", "type": "http", "config": {"url": "https://stock.example/reserve", "method": "POST"}},
	{"name": "cool-off", "type": "delay", "config": {"duration": "10m"}, "needs": ["reserve"]},
	{"name": "invoice", "type": "workflow", "config": {"workflowType": "Invoice"}, "needs": ["cool-off"]}]}`

// setUp is how a program sets itself up: it may do so at each of its starts, in several processes at once.
func setUp(ctx context.Context, office *admin.Client) error {
	const actor = "shop"
	if _, err := office.SetTier(ctx, "SHOP", admin.TierChange{MaxConcurrentWorkflows: new(10)}, actor); err != nil {
		return err
	}
	acme, err := office.EnsureWorkspace(ctx, "Acme Inc.", "SHOP", actor, admin.WithKey("acme"))
	if err != nil {
		return err
	}
	change := admin.WorkspaceChange{StartsPerSecond: &admin.Change[float64]{To: new(2.5)}}
	if _, err := office.SetWorkspace(ctx, acme.ID, change, actor); err != nil {
		return err
	}
	if _, err := office.ApplyDefinition(ctx, acme.ID, []byte(order), actor); err != nil {
		return err
	}
	_, err = office.Set(ctx, admin.SettingsChange{Retention: new(90 * 24 * time.Hour)}, actor)
	return err
}

func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	office := admin.New(pool)
	if err := setUp(ctx, office); err != nil {
		log.Fatal(err)
	}
	retried, err := office.Retry(ctx, admin.RetryFilter{Reason: "definition-gone"}, "ann")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(retried, "items will be tried again")
}
