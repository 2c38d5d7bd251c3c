package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a browser asks for, it gets a page or hears what is wrong with what it has asked for: the database always answers here.
func FuzzPages(f *testing.F) {
	pages := []string{"/", "/workspaces", "/workspaces/ID", "/workspaces/ID/what-if", "/items", "/items/ID", "/failures", "/types", "/activity", "/pauses", "/bulk", "/bulk/ID"}
	forms := []string{"/bulk", "/bulk/ID/stop", "/workspaces/ID/limits", "/workspaces/ID/limits/end", "/items/ID/cancel", "/items/ID/terminate", "/items/ID/retry", "/items/ID/replay", "/pause", "/resume", "/actor"}
	for i := range len(pages) + len(forms) {
		f.Add(byte(i), "", "q=a&status=FAILED&type=%00&workflow=%ff&error=x&group=g&since=1h")
		f.Add(byte(i), "00000000-0000-0000-0000-000000000001", "before=x&max=1,000&rate=NaN&for=3d&until=2026-11-29T18:00&reason=%e2%80%ae&action=cancel&actor=ann")
	}
	s := setup(f)
	own := s.ids(f, `INSERT INTO sluice.workspaces (name, plan) VALUES ('acme', 'STARTER') RETURNING id`)[0].String()
	f.Fuzz(func(t *testing.T, which byte, id, values string) {
		if id == "" {
			id = own
		}
		at, method, body := int(which)%(len(pages)+len(forms)), http.MethodGet, ""
		var path string
		if at < len(pages) {
			path = strings.ReplaceAll(pages[at], "ID", url.PathEscape(id))
		} else {
			path, method, body = strings.ReplaceAll(forms[at-len(pages)], "ID", url.PathEscape(id)), http.MethodPost, values
		}
		r, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		if method == http.MethodGet {
			r.URL.RawQuery = url.PathEscape(values) // as a browser sends it
			if parsed, err := url.ParseQuery(values); err == nil {
				r.URL.RawQuery = parsed.Encode()
			}
		} else {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		status, page := s.send(t, r)
		require.Less(t, status, http.StatusInternalServerError, "%s %s %q: %s", method, path, values, page)
	})
}
