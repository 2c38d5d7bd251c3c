package top

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/series"
)

// refresh is how often all is looked at. A look that takes long is followed by a rest of ten times as long.
const refresh = time.Second

// mostOfDetail is how many items of a workspace's line, and how many of what it runs, are read.
const mostOfDetail = 200

// look is how everything is.
type look struct {
	*series.Snapshot
	Pauses []admin.Pause // beside the dispatchers' own
}

// detail is one workspace.
type detail struct {
	workspace uuid.UUID
	line      []figures.Place
	held      []figures.Slot
}

// source is where the figures come from and what does what the user asks for.
type source interface {
	look(ctx context.Context) (look, error)
	detail(ctx context.Context, workspace uuid.UUID) (detail, error)
	// pause and resume mean everything with the nil id. They return what has become of it.
	pause(ctx context.Context, workspace uuid.UUID, reason string) (string, error)
	resume(ctx context.Context, workspace uuid.UUID, reason string) (string, error)
}

// Config is what the view needs. Dial connects to Temporal, or returns the connection there is, and does not wait for it.
type Config struct {
	Pool  *pgxpool.Pool
	Dial  func(context.Context) (client.Client, error)
	Actor string
}

type servers struct {
	Config
	office *admin.Client
	watch  *series.Watch
}

func newSource(c Config) *servers {
	return &servers{Config: c, office: admin.New(c.Pool), watch: series.New(c.Pool, series.Dispatchers(c.Pool, c.Dial)).Every(refresh)}
}

func (s *servers) look(ctx context.Context) (l look, err error) {
	if l.Snapshot, err = s.watch.Look(ctx); err != nil {
		return l, err
	}
	l.Pauses, err = s.office.Pauses(ctx)
	return l, err
}

func (s *servers) detail(ctx context.Context, workspace uuid.UUID) (d detail, err error) {
	d.workspace = workspace
	if d.line, err = figures.Line(ctx, s.Pool, workspace, 0, mostOfDetail); err != nil {
		return d, err
	}
	d.held, err = figures.HeldOf(ctx, s.Pool, workspace, mostOfDetail)
	return d, err
}

func (s *servers) pause(ctx context.Context, workspace uuid.UUID, reason string) (string, error) {
	defer s.watch.Changed()
	changed, err := s.office.Pause(ctx, admin.Scope{WorkspaceID: workspace}, admin.Term{}, s.Actor, reason)
	return outcome("paused: nothing new starts, what runs goes on", "it was paused so before", changed), err
}

// resume ends the pause of a workspace. That of everything may be in the database, or the dispatchers' own.
func (s *servers) resume(ctx context.Context, workspace uuid.UUID, reason string) (string, error) {
	defer s.watch.Changed()
	if workspace != uuid.Nil {
		changed, err := s.office.Resume(ctx, admin.Scope{WorkspaceID: workspace}, s.Actor, reason)
		return outcome("resumed", "it was not paused", changed), err
	}
	changed, err := operate.ResumeAll(ctx, s.Dial, s.Pool, s.Actor, reason)
	if changed && err != nil {
		return "resumed; whether the dispatchers themselves are paused is not known: " + err.Error(), nil
	}
	return outcome("resumed", "nothing was paused", changed), err
}

func outcome(did, before string, changed bool) string {
	if changed {
		return did
	}
	return before
}
