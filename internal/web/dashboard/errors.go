package dashboard

import (
	"context"
	"errors"
	"net/http"

	"github.com/a-h/templ"

	"sluice/internal/store"
	"sluice/internal/web/dashboard/page"
)

var errNoPage = errors.New("there is no such page")

// wrong is the page that tells what went wrong, with its status.
func (d *dashboard) wrong(p page.Page, err error) (int, templ.Component) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, errNoPage), errors.Is(err, store.ErrUnknownItem), errors.Is(err, store.ErrUnknownWorkspace), errors.Is(err, store.ErrUnknownDefinition):
		status, p.Title = http.StatusNotFound, "Not found"
	case errors.Is(err, store.ErrInvalid):
		status, p.Title = http.StatusBadRequest, "That cannot be shown"
	case errors.Is(err, context.Canceled):
		p.Title = "Nobody waits for this page"
	case errors.Is(err, errTooLong):
		p.Title, p.Still = "That takes too long", true // or the page would ask for it again and again
	default:
		d.Logger.Warn("cannot make a page of the dashboard", "page", p.At, "error", err)
		p.Title = "The database does not answer"
	}
	return status, page.Wrong(p, page.OneLine(err.Error(), 600))
}
