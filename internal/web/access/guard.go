package access

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"sluice/internal/store"
	"sluice/internal/store/tokens"
)

// Config says what a Guard lets in.
type Config struct {
	DB       store.DB
	Loopback bool     // the listener is on loopback
	Hosts    []string // the names and addresses that it answers for, beside those of loopback
}

// Guard lets requests in. It may be used by several goroutines.
type Guard struct {
	db       store.DB
	loopback bool
	hosts    map[string]bool
	cross    *http.CrossOriginProtection

	mu     sync.Mutex
	found  map[tokens.Hash]entry
	none   time.Time // until when it is taken for true that there are no tokens
	exists bool      // there are, for ever

	strange chan struct{} // has a place for each look for a token that is not remembered
}

type entry struct {
	caller Caller
	until  time.Time
}

const (
	// trusted is how long what the database has said about a token is taken for true.
	trusted = 3 * time.Second
	// mostFound bounds what is remembered.
	mostFound = 10_000
	// mostStrange is how many tokens that are not remembered are looked for at once. Anybody can make up what has the form of a token: that must
	// leave connections of the database to those who have one.
	mostStrange = 2
)

// New returns a Guard.
func New(c Config) *Guard {
	g := &Guard{db: c.DB, loopback: c.Loopback, hosts: map[string]bool{}, cross: http.NewCrossOriginProtection(), found: map[tokens.Hash]entry{}, strange: make(chan struct{}, mostStrange)}
	for _, host := range c.Hosts {
		g.hosts[hostName(host)] = true
	}
	return g
}

// secretForm is that of a token: what has another costs the database no look.
var secretForm = regexp.MustCompile(`^sluice_[A-Za-z0-9_-]{43}$`)

// Caller tells who sends a request; a *Refusal says that it is nobody.
func (g *Guard) Caller(ctx context.Context, r *http.Request) (Caller, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "" {
		return g.withoutToken(ctx, r)
	}
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") || !secretForm.MatchString(secret) {
		return Caller{}, errBadToken
	}
	hash, now := tokens.HashOf(secret), time.Now()
	g.mu.Lock()
	known, ok := g.found[hash]
	g.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.caller, nil
	}
	if !ok {
		select {
		case g.strange <- struct{}{}:
			defer func() { <-g.strange }()
		case <-ctx.Done():
			return Caller{}, errTooManyStrange
		}
	}
	token, err := tokens.Find(ctx, g.db, hash)
	switch {
	case err != nil:
		return Caller{}, err
	case token == nil:
		g.forget(hash)
		return Caller{}, errBadToken
	}
	until := now.Add(trusted)
	if token.ExpiresAt != nil && token.ExpiresAt.Before(until) {
		until = *token.ExpiresAt
	}
	g.remember(hash, entry{holder(token), until})
	_ = tokens.Used(ctx, g.db, token.ID) // what is read there is to some minutes anyway
	return holder(token), nil
}

func (g *Guard) remember(hash tokens.Hash, e entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.found) >= mostFound {
		clear(g.found)
	}
	g.found[hash] = e
}

func (g *Guard) forget(hash tokens.Hash) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.found, hash)
}

// withoutToken lets those in on loopback who come while there was never a token, unless a proxy has forwarded the request.
func (g *Guard) withoutToken(ctx context.Context, r *http.Request) (Caller, error) {
	g.mu.Lock()
	exists, none := g.exists, time.Now().Before(g.none)
	g.mu.Unlock()
	if !exists && !none {
		asked := time.Now()
		any, err := tokens.Any(ctx, g.db)
		if err != nil {
			return Caller{}, err
		}
		g.mu.Lock()
		g.exists, g.none = any, asked.Add(trusted)
		g.mu.Unlock()
		exists = any
	}
	switch {
	case exists:
		return Caller{}, errNoCredentials
	case !g.loopback:
		return Caller{}, errNoTokens
	case isForwarded(r):
		return Caller{}, errForwarded
	}
	return anybody(), nil
}

// isForwarded tells whether a proxy says that it sends the request for somebody else. It may be on this machine, and its callers not.
func isForwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if _, ok := r.Header[name]; ok {
			return true
		}
	}
	return false
}
