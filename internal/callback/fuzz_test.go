package callback_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Whatever is called: what has no signature of the item is refused and not looked at, and any other call is taken.
func FuzzCall(f *testing.F) {
	l := &looked{}
	e := endpoint(database(f), l)
	item := uuid.New()
	header := e.Of(f.Context(), item)[0].GetNexus().GetHeader()
	signature := header["Sluice-Signature"]
	for _, link := range []string{"", "<temporal:///namespaces/n/workflows/w/r/history>", "<%zz", "<http://[::1/namespaces>", "/namespaces/n/workflows/w//history"} {
		f.Add(item.String(), signature, link, "{}")
		f.Add(item.String(), signature[:10], link, "{}")
	}
	f.Add(" "+item.String(), signature, "", "")
	f.Fuzz(func(t *testing.T, named, signed, link, body string) {
		l.at = nil
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/callback", strings.NewReader(body))
		r.Header["Sluice-Item"], r.Header["Sluice-Signature"], r.Header["Nexus-Link"] = []string{named}, []string{signed}, []string{link}
		if answer(e, r) == http.StatusForbidden {
			require.Empty(t, l.at)
			return
		}
		require.Equal(t, signature, signed)
		require.Len(t, l.at, 1)
		require.True(t, strings.HasPrefix(l.at[0], item.String()+" "), "%q", named)
	})
}
