package activities

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Whatever a server answers with is kept as JSON, and told in an error that Temporal can carry.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{``, `{"a":1e131071}`, `"\u0000\ud800"`, "plain \xff \x00", `[[[[`, `{"a":1} {}`} {
		f.Add([]byte(body), http.StatusOK)
		f.Add([]byte(body), http.StatusTeapot)
	}
	to := &url.URL{Scheme: "https", Host: "a.example", User: url.UserPassword("ann", "hidden")}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		kept, _, err := bodyJSON(body)
		require.NoError(t, err)
		require.True(t, len(body) == 0 && len(kept) == 0 || json.Valid(kept), "%q", body)
		refusal := statusError(http.MethodGet, to, status, body)
		require.True(t, utf8.ValidString(refusal.Error()), "%q", body)
	})
}
