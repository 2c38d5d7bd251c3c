package dashboard

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/bounds"
	"sluice/internal/store"
)

// reason is why somebody does something, in their words.
func reason(r *http.Request, field string) (string, error) {
	text := strings.TrimSpace(r.PostFormValue(field))
	if err := bounds.Reason(text, bounds.MaxReason); err != nil {
		return "", store.Invalid("reason %v", err)
	}
	return text, nil
}

// thousands are numbers as pages show them: 1,5 is none of them, and not 15.
var thousands = regexp.MustCompile(`^[0-9]{1,3}(,[0-9]{3})+$`)

// number is a whole number.
func number(text string) (int, error) {
	if thousands.MatchString(text) {
		text = strings.ReplaceAll(text, ",", "")
	}
	return strconv.Atoi(text)
}

// termForms are those of a time until which something holds, in UTC unless it says otherwise.
var termForms = []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02 15:04 UTC"}

// term is for how long something is to hold: for so long, until a time, or where nothing was written without an end.
func term(r *http.Request) (t admin.Term, err error) {
	text := strings.TrimSpace(r.PostFormValue("for"))
	if text == "" {
		return t, nil
	}
	for _, form := range termForms {
		if t.Until, err = time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	if t.For, err = bounds.Duration(text); err != nil || t.For == 0 {
		return t, store.Invalid("for how long: %q is neither a duration such as 90m, 2h or 3d nor a time such as 2026-11-29 18:00 in UTC", text)
	}
	return admin.Term{For: t.For}, nil
}

// optionalID is an id of a query or a form, the nil id where it has none.
func optionalID(values url.Values, name string) (uuid.UUID, error) {
	text := values.Get(name)
	if text == "" {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil {
		return id, store.Invalid("%s must be an id, not %q", name, text)
	}
	return id, nil
}
