package dashboard

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/web/access"
)

// Cookies: what became of the last action, shown once, and by what name its user acts.
const (
	saidCookie  = "sluice-said"
	actorCookie = "sluice-actor"
)

const (
	worked = "+"
	failed = "-"
)

func setCookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: base64.RawURLEncoding.EncodeToString([]byte(value)), Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return ""
	}
	return string(raw)
}

// said takes what became of the last action.
func said(w http.ResponseWriter, r *http.Request) (text string, bad bool) {
	value := cookie(r, saidCookie)
	if value == "" {
		return "", false
	}
	setCookie(w, saidCookie, "", -1)
	text, isBad := strings.CutPrefix(value, failed)
	return strings.TrimPrefix(text, worked), isBad
}

// actor is on whose behalf somebody acts here: the token's, if there is one, else the name that was given.
func actor(r *http.Request) string {
	if who, ok := r.Context().Value(callerKey{}).(access.Caller); ok && who.Token != uuid.Nil {
		return who.Actor
	}
	name := strings.TrimSpace(cookie(r, actorCookie))
	if name == "" || bounds.Name("dashboard:"+name) != nil {
		return "dashboard"
	}
	return "dashboard:" + name
}

// actAs remembers the name of who acts in this browser.
func (d *dashboard) actAs(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSpace(r.PostFormValue("name"))
	if name != "" {
		if err := bounds.Name("dashboard:" + name); err != nil {
			setCookie(w, saidCookie, failed+"The name "+err.Error(), 60)
			http.Redirect(w, r, back(r), http.StatusSeeOther)
			return
		}
	}
	setCookie(w, actorCookie, name, 365*24*3600)
	http.Redirect(w, r, back(r), http.StatusSeeOther)
}
