package callback

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// The headers of a call. The server sends them as they were given to it.
const (
	headerItem      = "Sluice-Item"
	headerSignature = "Sluice-Signature"
)

// Config is what an endpoint depends on. DB and Look are required.
type Config struct {
	DB store.DB
	// URL is what Temporal calls. Empty: starts have no callbacks; those of others are taken all the same.
	URL string
	// Look looks at an item whose workflow a run is said to have closed. The run is empty where the call does not say it.
	Look func(ctx context.Context, item uuid.UUID, runID string) error
	// Logger defaults to slog.Default().
	Logger *slog.Logger
	// Metrics counts the calls. Defaults to nothing.
	Metrics client.MetricsHandler
}

// Endpoint makes the callbacks of starts and takes the calls. It is safe for concurrent use.
type Endpoint struct {
	config Config
	places chan struct{} // of calls that are looked at

	mu      sync.Mutex
	secret  catalog.CallbackSecret
	read    time.Time // when the secret was
	without time.Time // starts have no callbacks until then
}

// New returns an endpoint with the defaults filled in.
func New(c Config) *Endpoint {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Metrics == nil {
		c.Metrics = client.MetricsNopHandler
	}
	return &Endpoint{config: c, places: make(chan struct{}, callsAtOnce)}
}

const (
	// suspension is how long starts have no callbacks after the server has refused one.
	suspension = 5 * time.Minute
	// secretFresh is how long the secret is not read again: the database may be given to another namespace.
	secretFresh = time.Minute
)

// Of returns the callback of a start; none where there is no URL, or the server has lately refused it.
func (e *Endpoint) Of(ctx context.Context, item uuid.UUID) []*commonpb.Callback {
	if e.config.URL == "" || e.suspended() {
		return nil
	}
	secret, err := e.currentSecret(ctx)
	if err != nil {
		e.config.Logger.Debug("a start has no callback", "item", item, "error", err)
		return nil
	}
	return []*commonpb.Callback{{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{
		Url: e.config.URL, Header: map[string]string{headerItem: item.String(), headerSignature: sign(secret, item)},
	}}}}
}

func (e *Endpoint) suspended() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Now().Before(e.without)
}

// Suspend leaves callbacks out for a while: the server has refused a start because of one.
func (e *Endpoint) Suspend(refusal error) {
	e.mu.Lock()
	said := !e.without.IsZero()
	e.without = time.Now().Add(suspension)
	e.mu.Unlock()
	if !said {
		e.config.Logger.Warn("Temporal takes no callbacks to this address: ends are learnt by recovery, within seconds; "+
			"allow the address in component.callbacks.allowedAddresses, or leave --callback-url out", "url", e.config.URL, "error", refusal)
	}
}

func (e *Endpoint) currentSecret(ctx context.Context) (catalog.CallbackSecret, error) {
	e.mu.Lock()
	secret, fresh := e.secret, time.Since(e.read) < secretFresh
	e.mu.Unlock()
	if fresh {
		return secret, nil
	}
	secret, err := catalog.ReadCallbackSecret(ctx, e.config.DB)
	if err != nil {
		return secret, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secret, e.read = secret, time.Now()
	return secret, nil
}

// sign is the signature of an item. The number in front is for another scheme to come.
func sign(s catalog.CallbackSecret, item uuid.UUID) string {
	mac := hmac.New(sha256.New, []byte(s.Key))
	mac.Write([]byte("1|" + s.Namespace + "|" + item.String()))
	return hex.EncodeToString(mac.Sum(nil))
}
