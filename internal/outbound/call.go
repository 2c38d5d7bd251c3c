package outbound

import (
	"fmt"
	"net/http"
	"net/url"
)

// maxRedirects are followed in one call.
const maxRedirects = 5

// Check returns Refused unless a workspace may call a URL. Its hosts are canonical; nil: any.
func Check(hosts []string, u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return &Refused{fmt.Sprintf("http nodes call http and https addresses, not %s:", u.Scheme)}
	case hosts != nil && !allows(hosts, u):
		return &Refused{fmt.Sprintf("host %s is none of those that this workspace may call", u.Host)}
	}
	return nil
}

// NewClient returns a client for one call of a workspace. It follows five redirects, to hosts that the workspace may call, and
// the headers with secrets go to no other server than the one that was asked first.
func NewClient(transport http.RoundTripper, hosts []string, secretHeaders []string) *http.Client {
	return &http.Client{Transport: ofCall{transport}, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return &Refused{fmt.Sprintf("it was redirected more than %d times", maxRedirects)}
		}
		if err := Check(hosts, next.URL); err != nil {
			return err
		}
		for _, request := range append(via[1:len(via):len(via)], next) {
			if !sameOrigin(via[0].URL, request.URL) { // also on the way back from there
				for _, name := range secretHeaders {
					next.Header.Del(name)
				}
			}
		}
		return nil
	}}
}

func sameOrigin(a, b *url.URL) bool {
	first, err := canonicalName(a.Hostname())
	second, err2 := canonicalName(b.Hostname())
	return err == nil && err2 == nil && first == second && a.Scheme == b.Scheme && portOf(a) == portOf(b)
}
