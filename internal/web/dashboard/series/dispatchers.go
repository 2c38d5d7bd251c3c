package series

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/internal/operate"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

const (
	// answerTimeout is how long a dispatcher may take: a busy one answers within two seconds.
	answerTimeout = 2500 * time.Millisecond
	// kept is for how long its last answer stands for one that does not answer at once.
	kept = 10 * time.Second
)

// Dispatchers returns what asks the dispatchers of all shards how they are, for a [Watch]: one asks at a time. Dial connects to
// Temporal, or returns the connection there is.
func Dispatchers(pool *pgxpool.Pool, dial func(context.Context) (client.Client, error)) func(context.Context) []Dispatcher {
	return (&dispatchers{pool: pool, dial: dial, last: map[int]answered{}}).ask
}

type dispatchers struct {
	pool *pgxpool.Pool
	dial func(context.Context) (client.Client, error)
	last map[int]answered
}

type answered struct {
	status workflows.Status
	at     time.Time
}

func (d *dispatchers) ask(ctx context.Context) []Dispatcher {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	shards, err := catalog.Shards(ctx, d.pool)
	if err != nil {
		return nil
	}
	list, errs := make([]Dispatcher, shards), make([]error, shards)
	temporal, err := d.dial(ctx)
	var group sync.WaitGroup
	for shard := range list {
		list[shard].Shard = shard
		if err != nil {
			errs[shard] = err
			continue
		}
		group.Go(func() {
			status, err := operate.StatusOf(ctx, temporal, shard)
			if err != nil {
				errs[shard] = err
				return
			}
			list[shard].Status = &status
		})
	}
	group.Wait()
	for shard := range list {
		of := &list[shard]
		switch last, known := d.last[shard]; {
		case of.Status != nil:
			d.last[shard] = answered{*of.Status, time.Now()}
		case known && time.Since(last.at) < kept && !errors.Is(errs[shard], operate.ErrNotRunning):
			of.Status = &last.status
		default:
			of.Error = strings.TrimPrefix(errs[shard].Error(), "ask for the status: ")
		}
	}
	return list
}
