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
	return log.NewStructuredLogger(l)
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
