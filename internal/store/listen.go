package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// channel is what the functions of the schema notify.
const channel = "sluice_events"

var (
	listenSQL   = load("listen", "shard", "token")
	unlistenSQL = load("unlisten", "shard", "token")
)

// Listener waits for notifications for a shard, on a connection of its own. NOTIFY is a hint: what happened is in events and
// turns, and a listener looks there by itself from time to time.
type Listener struct {
	pool  *pgxpool.Pool
	conn  *pgxpool.Conn
	shard int
	token uuid.UUID
}

// Listen returns a listener. What commits after that is notified to it, or was there before.
func Listen(ctx context.Context, pool *pgxpool.Pool, shard int) (*Listener, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, Wrap(err, "listen")
	}
	l := &Listener{pool: pool, conn: conn, shard: shard, token: uuid.New()}
	b := &pgx.Batch{}
	b.Queue(unhurriedSQL)
	b.Queue(`LISTEN ` + channel)
	b.Queue(listenSQL, shard, l.token)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		l.Close()
		return nil, Wrap(err, "listen")
	}
	return l, nil
}

// Hear reads the news of the shard on the listener's connection.
func (l *Listener) Hear(ctx context.Context, turn int64, mark string) (News, error) {
	return Hear(ctx, l.conn, l.shard, turn, mark)
}

// Wait returns when the shard is notified, when woken is sent to, or after a time. It never interrupts a statement, which
// would cost the connection.
func (l *Listener) Wait(ctx context.Context, woken <-chan struct{}, most time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-woken:
			cancel()
		case <-waiting.Done():
		}
	}()
	for {
		notified, err := l.notification(waiting)
		if err == nil && notified.Payload != "" && notified.Payload != strconv.Itoa(l.shard) {
			continue // for another shard
		}
		cancel()
		<-done
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
			return nil
		}
		return Wrap(err, "wait for a notification")
	}
}

// notification waits for one. It does so in pieces: on a connection that is silent for longer the server is thought to answer no
// longer (see package alive).
func (l *Listener) notification(ctx context.Context) (*pgconn.Notification, error) {
	for {
		piece, cancel := context.WithTimeout(ctx, listenPiece)
		notified, err := l.conn.Conn().WaitForNotification(piece)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return notified, err
		}
	}
}

const listenPiece = time.Second

// Close gives the connection back. It takes a second at most, also when Postgres is away.
func (l *Listener) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	b := &pgx.Batch{}
	b.Queue(unhurriedSQL)
	b.Queue(unlistenSQL, l.shard, l.token)
	b.Queue(`UNLISTEN ` + channel)
	if l.conn.SendBatch(ctx, b).Close() == nil {
		l.drain()
		l.conn.Release()
		return
	}
	_ = l.conn.Conn().Close(ctx) // an interrupted wait leaves the connection unusable; the pool replaces it
	l.conn.Release()
	_, _ = l.pool.Exec(ctx, unlistenSQL, l.shard, l.token)
}

// drain forgets what was notified and not waited for: the next listener on the connection would take it for news.
func (l *Listener) drain() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		if _, err := l.conn.Conn().WaitForNotification(over); err != nil {
			return
		}
	}
}
