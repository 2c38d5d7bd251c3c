package dashboard

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/estimate/keep"
	"sluice/internal/web/access"
	"sluice/internal/web/dashboard/assets"
	"sluice/internal/web/dashboard/bulk"
	"sluice/internal/web/dashboard/page"
	"sluice/internal/web/dashboard/series"
	"sluice/queue"
	"sluice/workflows"
)

// Config is what the dashboard shows. WebUI is the address of Temporal's Web UI; empty: not known. Guard tells who asks.
type Config struct {
	Pool      *pgxpool.Pool
	Temporal  client.Client
	Namespace string
	WebUI     string
	Guard     *access.Guard
	Logger    *slog.Logger
}

// pageTimeout bounds all that is asked for one page.
const pageTimeout = 15 * time.Second

type dashboard struct {
	Config
	queue *queue.Client
	admin *admin.Client
	watch *series.Watch
	keep  *keep.Keeper
	bulks *bulk.Runner
	live  livePages
	plays chan struct{} // is held while a what-if is played
}

// New returns the pages, which are served at the root of an address, and what stops all that was begun on them.
func New(c Config) (pages http.Handler, stop func()) {
	d := &dashboard{Config: c, queue: queue.New(c.Pool), admin: admin.New(c.Pool), plays: make(chan struct{}, 1)}
	d.bulks = bulk.New(c.Pool, d.dial)
	d.watch = series.New(c.Pool, series.Dispatchers(c.Pool, d.dial))
	d.keep = keep.New(c.Pool, c.Logger)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", assets.ServeHTTP)
	mux.Handle("GET /{$}", d.page("Overview", "/", d.overview))
	mux.Handle("GET /workspaces", d.page("Workspaces", "/workspaces", d.workspaces))
	mux.Handle("GET /workspaces/{id}", d.page("Workspace", "/workspaces", d.workspace))
	mux.Handle("GET /workspaces/{id}/what-if", d.page("What if", "/workspaces", d.whatIf))
	mux.Handle("GET /items", d.page("Items", "/items", d.items))
	mux.Handle("GET /items/{id}", d.page("Item", "/items", d.item))
	mux.Handle("GET /failures", d.page("Failures", "/failures", d.failures))
	mux.Handle("GET /types", d.page("Types", "/types", d.types))
	mux.Handle("GET /activity", d.page("Activity", "/activity", d.activity))
	mux.Handle("GET /pauses", d.page("Pauses", "/pauses", d.pauses))
	mux.Handle("GET /bulk", d.page("Bulk operations", "/items", d.bulkPage))
	mux.Handle("GET /bulk/{id}", d.page("Bulk operation", "/items", d.operation))
	mux.Handle("POST /bulk", d.actionTo(d.startBulk))
	mux.Handle("POST /bulk/{id}/stop", d.action(d.stopBulk))
	mux.Handle("POST /workspaces/{id}/limits/end", d.action(d.endLimits))
	mux.Handle("POST /workspaces/{id}/limits", d.action(d.setLimits))
	mux.Handle("POST /items/{id}/cancel", d.action(d.cancel))
	mux.Handle("POST /items/{id}/terminate", d.action(d.terminate))
	mux.Handle("POST /items/{id}/retry", d.action(d.retryItem))
	mux.Handle("POST /items/{id}/replay", d.action(d.replayItem))
	mux.Handle("POST /pause", d.action(d.pause))
	mux.Handle("POST /resume", d.action(d.resume))
	mux.HandleFunc("POST /actor", d.actAs)
	mux.Handle("/", d.page("Not found", "", func(context.Context, *http.Request, page.Page) (templ.Component, error) { return nil, errNoPage }))
	return d.guard(mux), d.bulks.Close
}

// makePage is what a route asks for and shows.
type makePage func(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error)

// page answers with a page, or the part of it that is live, or a page that says what went wrong.
func (d *dashboard) page(title, under string, build makePage) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
		defer cancel()
		p := page.Page{Title: title, At: r.URL.RequestURI(), Under: under, Actor: actor(r), Now: time.Now()}
		if who, ok := r.Context().Value(callerKey{}).(access.Caller); ok {
			p.Looks = !who.Writes
		}
		p.Live = r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-History-Restore-Request") == ""
		if p.Live {
			p.Actor = "" // it is the same for all who look
		} else {
			p.Said, p.Bad = said(w, r)
		}
		var status int
		var body []byte
		var err error
		if p.Live {
			// Others may wait for it: it is not broken off because this one has gone.
			status, body, err = d.live.of(ctx, liveKey{p.At, p.Looks}, func() (int, []byte) { return d.make(context.WithoutCancel(ctx), r, p, build) })
		} else {
			status, body = d.make(ctx, r, p, build)
		}
		if err != nil || r.Context().Err() != nil {
			return // nobody waits for it
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Vary", "HX-Request")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(body) // the browser has gone
		}
	})
}

// make makes a page, or one that says what went wrong.
func (d *dashboard) make(ctx context.Context, r *http.Request, p page.Page, build makePage) (int, []byte) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	var body bytes.Buffer
	shown, err := build(ctx, r, p)
	if err == nil {
		err = shown.Render(ctx, &body)
	}
	if err == nil {
		return http.StatusOK, body.Bytes()
	}
	body.Reset()
	status, wrong := d.wrong(p, err)
	if err := wrong.Render(ctx, &body); err != nil {
		return status, []byte(http.StatusText(status))
	}
	return status, body.Bytes()
}

// makeAction does what a form asks for, and says what it has done.
type makeAction func(ctx context.Context, r *http.Request) (said string, err error)

// action does what a form asks for and leads back to where that was.
func (d *dashboard) action(do makeAction) http.Handler {
	return d.actionTo(func(ctx context.Context, r *http.Request) (said, to string, err error) {
		said, err = do(ctx, r)
		return said, back(r), err
	})
}

// actionTo does what a form asks for and leads to a page, or back to where the form was if that cannot be done.
func (d *dashboard) actionTo(do func(ctx context.Context, r *http.Request) (said, to string, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form cannot be read: "+err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 2*pageTimeout)
		defer cancel()
		text, to, err := do(ctx, r)
		d.watch.Changed()
		d.live.forget()
		if err != nil {
			text, to = failed+page.OneLine(err.Error(), 600), back(r)
		} else if text != "" {
			text = worked + page.OneLine(text, 600)
		}
		if text != "" {
			setCookie(w, saidCookie, text, 60)
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}

// back is the page from which a form was sent.
func back(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err != nil || from.Host != r.Host || from.Path == "" {
		return "/"
	}
	at := url.URL{Path: "/" + trimSlashes(from.Path), RawQuery: from.RawQuery}
	return at.String()
}

func trimSlashes(path string) string {
	for len(path) > 0 && (path[0] == '/' || path[0] == '\\') {
		path = path[1:]
	}
	return path
}

func (d *dashboard) links() page.Links {
	workflow := func(workflowID, runID string) templ.SafeURL {
		if d.WebUI == "" {
			return ""
		}
		link := d.WebUI + "/namespaces/" + url.PathEscape(d.Namespace) + "/workflows/" + url.PathEscape(workflowID)
		if runID != "" {
			link += "/" + url.PathEscape(runID)
		}
		return templ.URL(link)
	}
	return page.Links{Workflow: workflow, Dispatcher: func(shard int) templ.SafeURL { return workflow(workflows.ShardID(shard), "") }}
}

func (d *dashboard) overview(ctx context.Context, _ *http.Request, p page.Page) (templ.Component, error) {
	s, err := d.watch.Look(ctx)
	if err != nil {
		return nil, err
	}
	p.Now = s.At
	pauses, err := d.admin.Pauses(ctx)
	return page.Overview(p, s, pauses, d.links()), err
}
