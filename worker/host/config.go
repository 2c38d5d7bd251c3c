package host

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"sluice/activities"
)

// Config says what a host runs and how much of it. Client and Pool are required.
type Config struct {
	// Client is the connection that all workers share; it stays the caller's to close. Has no default.
	Client client.Client
	// Pool has connections to a database with Sluice's schema, see schema.Migrate; OpenPool opens one. It stays the caller's
	// to close, after Run. Has no default.
	Pool *pgxpool.Pool
	// Polls is the one that was installed in the options of Client. Without it a worker that stops can lose a task, which
	// comes again after its timeout. Defaults to none.
	Polls *Polls
	// Logger hears of what the host does; the SDK's own lines go to the logger of Client. Defaults to slog.Default().
	Logger *slog.Logger
	// AllowPrivateAddresses lets http nodes reach every address from this process, also loopback, link-local and private ones,
	// and so whatever trusts its network, such as a cloud's metadata. Defaults to the public internet alone.
	AllowPrivateAddresses bool
	// AllowAddresses are single addresses that http nodes may reach although they are not public. Defaults to none.
	AllowAddresses []netip.AddrPort
	// SecretsDir has the secrets that workspaces name in headers of http nodes: the file SecretsDir/<workspace id>/NAME is the
	// workspace's own. It is read for each call. Beside it the environment variable SLUICE_SECRET_NAME is for all workspaces,
	// and for the hosts that SLUICE_SECRET_NAME_HOSTS lists. Defaults to no directory.
	SecretsDir string
	// HTTPClient makes the requests of http nodes: its Transport, if it has one, connects wherever it likes, for example through
	// a proxy that judges addresses, and AllowPrivateAddresses and AllowAddresses then say nothing. Lists of allowed hosts,
	// redirects, sizes and secrets are checked all the same; a Jar, a Timeout and a CheckRedirect are not used. Defaults to a
	// client that connects by itself and takes no proxy from the environment.
	HTTPClient *http.Client

	// CallbackURL is what Temporal calls when a workflow of a caller's own has ended, which reaches Callbacks of this host or of another
	// one. The server must allow the address (component.callbacks.allowedAddresses). Defaults to none: ends are learnt from workers of
	// this client, see Install, and otherwise by recovery, within a second or two.
	CallbackURL string
	// Metrics counts what happens outside of workflows and activities, such as callbacks, and shows how many workspaces wait. Give the
	// client's MetricsHandler. Without one the former is not counted, and the latter has a series for each kind of step.
	Metrics client.MetricsHandler

	// RegisterWorkflows adds workflow types to every workspace worker. New calls it once, and refuses what a worker could not
	// run: a type that is registered twice or is nil, and names of Sluice's own types. Defaults to adding none.
	RegisterWorkflows func(worker.WorkflowRegistry)
	// RegisterActivities adds activity types in the same way; workspace workers then poll for activities too, and each
	// takes three polls of the budget instead of two. Defaults to adding none.
	RegisterActivities func(worker.ActivityRegistry)

	// WithoutWorkspaces has the dispatcher and the external-API activities run here and the executions of workspaces elsewhere, in
	// programs that have their workflow types. Defaults to false.
	WithoutWorkspaces bool

	// PollBudget is how many long polls this process may hold open at once; the server allows 1,200 per namespace and
	// frontend (frontend.namespaceCount), all processes together. Defaults to 1,000.
	PollBudget int
	// PollInterval is how often the queue is asked which workspaces have work, give or take a quarter. Defaults to 500 ms.
	PollInterval time.Duration
	// IdleTimeout is how long a workspace worker stays without work. Defaults to 30 s.
	IdleTimeout time.Duration
	// TurnInterval is how long a workspace with work keeps its worker at least while others wait. Its place is another's then; what
	// it has in hand, activities above all, is finished all the same, however long that takes. Defaults to 5 s.
	TurnInterval time.Duration

	// ExternalConcurrency is how many calls of http nodes are made at once in this process. A workspace alone may have a fifth of them, so that
	// one whose calls are not answered leaves room for others. Defaults to 500.
	ExternalConcurrency int
	// ExternalPerSecond limits the external-API activities that this process starts. Defaults to no limit.
	ExternalPerSecond float64
	// ExternalTaskQueuePerSecond limits the external-API activities that all processes start together; the server
	// enforces it, and the last value that any process sent counts. Defaults to no limit.
	ExternalTaskQueuePerSecond float64

	// ShutdownTimeout bounds how long Run goes on after its context has ended. Half of it belongs to the activities and workflow tasks
	// of workspaces: what takes longer is cancelled with worker.ErrWorkerShutdown, and begins again elsewhere by its retry
	// policy. Give more than twice what the longest activity takes, where that matters. Defaults to 20 s.
	ShutdownTimeout time.Duration
}

// Defaults of Config.
const (
	DefaultPollBudget          = 1000
	DefaultPollInterval        = 500 * time.Millisecond
	DefaultIdleTimeout         = 30 * time.Second
	DefaultTurnInterval        = 5 * time.Second
	DefaultExternalConcurrency = activities.DefaultCalls
	DefaultShutdownTimeout     = 20 * time.Second
)

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.PollBudget == 0 {
		c.PollBudget = DefaultPollBudget
	}
	if c.PollInterval == 0 {
		c.PollInterval = DefaultPollInterval
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	if c.TurnInterval == 0 {
		c.TurnInterval = DefaultTurnInterval
	}
	if c.ExternalConcurrency == 0 {
		c.ExternalConcurrency = DefaultExternalConcurrency
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = DefaultShutdownTimeout
	}
	return c
}

// validate returns everything that is wrong, joined.
func (c Config) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(c.Client != nil, "client is missing")
	check(c.Pool != nil, "pool is missing")
	check(c.Pool == nil || c.Pool.Config().MaxConns >= leastConns, "a pool of one connection is too small: give it at least %d", leastConns)
	if c.Pool != nil {
		mode := c.Pool.Config().ConnConfig.DefaultQueryExecMode
		check(mode != pgx.QueryExecModeExec && mode != pgx.QueryExecModeSimpleProtocol,
			"a pool that describes no statements (default_query_exec_mode=%s) cannot send ids: use OpenPool, or another mode", mode)
	}
	check(c.workspaceLimit() >= 1, "poll budget %d leaves no room for a workspace worker: give at least %d", c.PollBudget, fixedPolls+c.workspacePolls())
	check(c.PollInterval > 0, "poll interval must be positive, not %s", c.PollInterval)
	check(c.CallbackURL == "" || IsCallbackURL(c.CallbackURL), "callback URL %q must be http://host[:port]/path or https://", c.CallbackURL)
	check(c.IdleTimeout > 0, "idle timeout must be positive, not %s", c.IdleTimeout)
	check(c.TurnInterval > 0, "turn interval must be positive, not %s", c.TurnInterval)
	check(c.ExternalConcurrency > 0, "external concurrency must be positive, not %d", c.ExternalConcurrency)
	check(c.ExternalPerSecond >= 0, "external rate must not be negative, got %g", c.ExternalPerSecond)
	check(c.ExternalTaskQueuePerSecond >= 0, "external task-queue rate must not be negative, got %g", c.ExternalTaskQueuePerSecond)
	check(c.ShutdownTimeout > 0, "shutdown timeout must be positive, not %s", c.ShutdownTimeout)
	return errors.Join(problems...)
}

// IsCallbackURL tells whether Config takes a CallbackURL. Temporal takes 1000 bytes unless it is told otherwise.
func IsCallbackURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && len(text) <= 1000
}
