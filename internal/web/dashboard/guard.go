package dashboard

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"

	"sluice/internal/web/access"
)

// policy of what a page may load and do: nothing but files of package assets, and forms that go back here.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// mostBody is the most bytes of a form.
const mostBody = 64 << 10

// allowed tells whether a request comes from this machine: there is no TLS, and a browser sends the token again and again.
func allowed(r *http.Request) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !isLoopback(r.RemoteAddr) || local != nil && !isLoopback(local.String()) {
		return errors.New("the dashboard answers only on a loopback address of the machine that it runs on: open it there, or through an SSH tunnel")
	}
	return nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && access.IsLoopback(host)
}

// saysOrigin tells whether a request says where it comes from, as every browser has a form do. CheckOrigin takes one that does not for a
// program's; a program has no business here.
func saysOrigin(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// guard refuses what must not be answered, and says in each answer what the page may do.
func (d *dashboard) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // with none, a form would be sent without its origin
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if err := cmp.Or(d.Guard.CheckOrigin(r), allowed(r)); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		switch r.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodPost:
			if !saysOrigin(r) {
				http.Error(w, "only a form of these pages changes anything here", http.StatusForbidden)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		default:
			h.Set("Allow", "GET, HEAD, POST")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		who, err := d.caller(r)
		if err != nil {
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	})
}

// callerKey has who asks.
type callerKey struct{}

// caller tells who asks, once there are tokens: by one of an operator's, which a browser asks for as a password. Pages show inputs and results.
// A token that does not open any page is unauthorized and not forbidden: a browser keeps a password until it is told so, and then asks for another.
func (d *dashboard) caller(r *http.Request) (access.Caller, error) {
	asked := r.Clone(r.Context())
	if _, token, ok := r.BasicAuth(); ok {
		asked.Header.Set("Authorization", "Bearer "+token)
	}
	who, err := d.Guard.Caller(r.Context(), asked)
	switch {
	case err != nil:
		return who, err
	case !who.Operator || !who.Payloads:
		return who, &access.Refusal{Status: http.StatusUnauthorized, Message: "the dashboard shows inputs and results of all workspaces: it wants an operator's token that may see them (starter token create NAME --role operator-read --payloads)"}
	case r.Method == http.MethodPost && !who.Writes:
		return who, &access.Refusal{Status: http.StatusForbidden, Message: "this token may look and change nothing: use one of role operator-write"}
	}
	return who, nil
}

func refuse(w http.ResponseWriter, err error) {
	var refusal *access.Refusal
	if !errors.As(err, &refusal) {
		http.Error(w, "the database does not tell who may look: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	if refusal.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Sluice: any name, and a token as the password", charset="UTF-8"`)
	}
	http.Error(w, refusal.Message, refusal.Status)
}
