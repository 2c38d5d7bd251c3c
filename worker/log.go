package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
	"go.temporal.io/sdk/log"
)

// newLogger logs to w as JSON or as text, coloured only where a person watches.
func newLogger(w io.Writer, format string, level slog.Level, colour bool) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, NoColor: !colour, TimeFormat: time.TimeOnly + ".000"}))
}

// sdkLogger is the logger for Temporal's SDK. Its info lines tell of every single worker that comes and goes, which is
// news for debugging only.
func sdkLogger(l *slog.Logger) log.Logger {
	if !l.Enabled(context.Background(), slog.LevelDebug) {
		l = slog.New(atLeastWarn{l.Handler()})
	}
	return log.NewStructuredLogger(slog.New(notStopping{l.Handler()}))
}

// notStopping drops the warning that a poll has failed because its worker stops: the SDK means to keep it to itself, but
// a poll may end a moment before the worker knows, and those that package host cuts do.
type notStopping struct{ slog.Handler }

func (h notStopping) Handle(ctx context.Context, r slog.Record) error {
	stopping := false
	r.Attrs(func(a slog.Attr) bool {
		stopping = a.Key == "Error" && a.Value.String() == "worker stopping"
		return !stopping
	})
	if stopping {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h notStopping) WithAttrs(attrs []slog.Attr) slog.Handler {
	return notStopping{h.Handler.WithAttrs(attrs)}
}

func (h notStopping) WithGroup(name string) slog.Handler {
	return notStopping{h.Handler.WithGroup(name)}
}

type atLeastWarn struct{ slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h atLeastWarn) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeastWarn{h.Handler.WithAttrs(attrs)}
}

func (h atLeastWarn) WithGroup(name string) slog.Handler {
	return atLeastWarn{h.Handler.WithGroup(name)}
}

// isTerminal tells whether a person watches w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}
