package dashboard

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/web/access"
	"sluice/queue"
)

func TestActionsAreOnRecordAsDoneByWhoActs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	ids := s.enqueue(t, acme, "Order", 4)
	require.Contains(t, s.post(t, "/items", "/actor", url.Values{"name": {"ann"}}), "dashboard:ann")
	at := "/items/" + ids[0].String()
	require.Contains(t, text(s.post(t, at, at+"/cancel", url.Values{"reason": {"sold out"}})), "Cancelled before it started.")
	body := text(s.page(t, at))
	require.Contains(t, body, "cancelled by dashboard:ann")
	require.Contains(t, body, "sold out")
	require.NotContains(t, body, "Cancelled before it started.", "what became of an action is said once")
	require.Contains(t, text(s.post(t, at, at+"/cancel", nil)), "has already ended: it is cancelled")

	s.end(t, "FAILED", "start-failed", "no such queue", ids[1])
	at = "/items/" + ids[1].String()
	require.Contains(t, text(s.post(t, at, at+"/retry", nil)), "The item is back in the queue.")
	for _, id := range []uuid.UUID{ids[1], ids[3]} {
		state, err := queue.New(s.pool).Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "PENDING", state.Status)
	}
	require.Contains(t, text(s.page(t, "/activity?actor=dashboard:ann")), "retried")
}

func TestAFormChangesOnlyWhatWasChangedInIt(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	at := "/workspaces/" + acme.String()
	fields := func(changes ...string) url.Values {
		v := url.Values{"plan": {"STARTER"}, "was-plan": {"STARTER"}}
		for _, name := range []string{"max", "weight", "nominal", "borrowing", "lending", "rate", "burst", "cohort"} {
			v.Set(name, "")
			v.Set("was-"+name, "")
		}
		for i := 0; i < len(changes); i += 2 {
			v.Set(changes[i], changes[i+1])
		}
		return v
	}
	require.Contains(t, text(s.post(t, at, at+"/limits", fields("max", "3", "rate", "0.5", "cohort", "eu"))), "are changed")
	require.Contains(t, text(s.page(t, at)), "Lending limit all of its nominal quota default")
	require.Contains(t, text(s.post(t, at, at+"/limits", fields("lending", "2"))), "are changed")
	// Another form, opened before that.
	require.Contains(t, text(s.post(t, at, at+"/limits", fields("weight", "9"))), "are changed")
	body := text(s.page(t, at))
	for _, want := range []string{"Running at once 3 its own", "Weight 9 its own", "Lending limit 2 its own", "Starts a second 0.5 its own", "Cohort eu its own"} {
		require.Contains(t, body, want)
	}
	require.Contains(t, text(s.post(t, at, at+"/limits", fields())), "Nothing was changed")
	require.Contains(t, text(s.post(t, at, at+"/limits", fields("max", "many"))), "running at once must be a whole number")
	require.Contains(t, text(s.post(t, at, at+"/limits", fields("max", "-1"))), "must be 0 to")
	require.Contains(t, text(s.post(t, at, at+"/limits", fields("max", "", "was-max", "3"))), "are changed")
	require.Contains(t, text(s.page(t, at)), "Running at once 5 plan STARTER")
}

func TestWhatComesFromElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	ids := s.enqueue(t, acme, "Order", 1)
	cancel := "/items/" + ids[0].String() + "/cancel"
	for name, c := range map[string]struct {
		method, at string
		change     func(r *http.Request)
		status     int
	}{
		"a name that was made to lead here":  {"GET", "/", func(r *http.Request) { r.Host = "evil.example" }, http.StatusForbidden},
		"such a name with a loopback inside": {"GET", "/", func(r *http.Request) { r.Host = "127.0.0.1.evil.example:80" }, http.StatusForbidden},
		"a form of another site":             {"POST", cancel, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		"a form of another port":             {"POST", cancel, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, http.StatusForbidden},
		"another origin, of an old browser":  {"POST", cancel, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, http.StatusForbidden},
		"no origin":                          {"POST", cancel, func(r *http.Request) {}, http.StatusForbidden},
		"an origin that is kept secret":      {"POST", cancel, func(r *http.Request) { r.Header.Set("Origin", "null") }, http.StatusForbidden},
		"another method":                     {"DELETE", cancel, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, http.StatusMethodNotAllowed},
		"a read where something is changed":  {"GET", cancel, func(r *http.Request) {}, http.StatusNotFound},
		"a form that is too large":           {"POST", cancel, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			body := ""
			if c.status == http.StatusBadRequest {
				body = "reason=" + strings.Repeat("x", 100_000)
			}
			r, err := http.NewRequestWithContext(t.Context(), c.method, s.server.URL+c.at, strings.NewReader(body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			c.change(r)
			status, _ := s.send(t, r)
			require.Equal(t, c.status, status)
		})
	}
	state, err := queue.New(s.pool).Get(t.Context(), ids[0])
	require.NoError(t, err)
	require.Equal(t, "PENDING", state.Status, "nothing was done")
}

func TestOnlyThisMachineMayLook(t *testing.T) {
	t.Parallel()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})
	guarded := dashboard{Config: Config{Guard: access.New(access.Config{DB: setup(t).pool, Loopback: true})}}
	for remote, status := range map[string]int{"127.0.0.1:4000": 200, "[::1]:4000": 200, "10.0.0.7:4000": 403, "nonsense": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:8077/", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		guarded.guard(ok).ServeHTTP(w, r)
		require.Equal(t, status, w.Code, remote)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self'")
		require.NotContains(t, w.Header().Get("Content-Security-Policy"), "unsafe")
	}
	r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
	r.RemoteAddr = "127.0.0.1:1"
	local := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 80}
	require.Error(t, allowed(r.WithContext(contextWith(r, local))), "it came in by another address of the machine")
}

func TestAnActionLeadsBackToItsPageOnly(t *testing.T) {
	t.Parallel()
	for referer, want := range map[string]string{
		"http://localhost/items?status=PENDING": "/items?status=PENDING", "": "/", "http://evil.example/x": "/", "http://localhost//evil.example/x": "/evil.example/x",
		`http://localhost/\evil.example`: "/evil.example",
	} {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/pause", nil)
		r.Header.Set("Referer", referer)
		require.Equal(t, want, back(r), referer)
	}
}

func contextWith(r *http.Request, local net.Addr) context.Context {
	return context.WithValue(r.Context(), http.LocalAddrContextKey, local)
}

// Once there is a token, the pages show nothing to those who have none, as the API does.
func TestTheDashboardAsksForATokenOnceThereIsOne(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ask := func(method, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+"/pause", strings.NewReader("reason=x"))
		require.NoError(t, err)
		if method == http.MethodGet {
			r.URL.Path = "/workspaces"
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if token != "" {
			r.SetBasicAuth("ann", token)
		}
		answer, err := s.browser.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		if answer.StatusCode == http.StatusUnauthorized {
			require.Contains(t, answer.Header.Get("WWW-Authenticate"), "Basic")
		}
		return answer.StatusCode
	}
	office := admin.New(s.pool)
	create := func(n admin.NewToken) string {
		_, secret, err := office.CreateToken(t.Context(), n, "test")
		require.NoError(t, err)
		return secret
	}
	acme := s.workspace(t, "acme")
	tenant := create(admin.NewToken{Name: "tenant", Role: admin.RoleWorkspace, WorkspaceID: acme, Payloads: true})
	blind := create(admin.NewToken{Name: "blind", Role: admin.RoleOperatorWrite})
	reads := create(admin.NewToken{Name: "reads", Role: admin.RoleOperatorRead, Payloads: true})
	writes := create(admin.NewToken{Name: "writes", Role: admin.RoleOperatorWrite, Payloads: true})
	require.Equal(t, http.StatusUnauthorized, ask(http.MethodGet, ""))
	require.Equal(t, http.StatusUnauthorized, ask(http.MethodGet, "sluice_"+strings.Repeat("x", 43)))
	for _, token := range []string{blind, tenant} {
		require.Equal(t, http.StatusUnauthorized, ask(http.MethodGet, token), "a browser keeps a password that it is not asked for again")
	}
	require.Equal(t, http.StatusOK, ask(http.MethodGet, reads))
	require.Equal(t, http.StatusForbidden, ask(http.MethodPost, reads))
	require.Less(t, ask(http.MethodPost, writes), 400)
}

// Buttons that would be answered with 403 are not shown, on no page, nor in what is live.
func TestWhoMayOnlyLookSeesNothingThatChangesSomething(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	ids := s.enqueue(t, acme, "Order", 3)
	s.end(t, "FAILED", "start-failed", "no such queue", ids[1])
	office := admin.New(s.pool)
	_, err := office.Pause(t.Context(), admin.Scope{WorkspaceID: acme}, admin.Term{}, "ann", "unpaid")
	require.NoError(t, err)
	pages := []string{"/", "/workspaces", "/workspaces/" + acme.String(), "/workspaces/" + acme.String() + "/what-if", "/items", "/items/" + ids[0].String(), "/items/" + ids[1].String(), "/failures", "/types",
		"/pauses", "/activity", "/bulk", "/bulk?action=cancel", "/bulk?action=retry", "/nothing"}
	changing := regexp.MustCompile(`method="post"|popovertarget|class="button" href="/(?:bulk|pauses)`)
	secrets := map[string]string{}
	for _, role := range []string{admin.RoleOperatorRead, admin.RoleOperatorWrite} {
		_, secret, err := office.CreateToken(t.Context(), admin.NewToken{Name: role, Role: role, Payloads: true}, "ann")
		require.NoError(t, err)
		secrets[role] = secret
	}
	for _, role := range []string{admin.RoleOperatorWrite, admin.RoleOperatorRead} { // what the first one is shown is not the other's
		for _, at := range pages {
			for _, live := range []string{"", "true"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+at, nil)
				require.NoError(t, err)
				r.SetBasicAuth("ann", secrets[role])
				r.Header.Set("HX-Request", live)
				_, body := s.send(t, r)
				if role == admin.RoleOperatorRead {
					require.NotRegexp(t, changing, body, at)
				} else if live == "" {
					require.Regexp(t, changing, body, at)
				}
			}
		}
	}
}
