package forged

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	forgers = 4                     // make calls at once
	pause   = 10 * time.Millisecond // or the calls would be a load that hides what they do
	// patience is for a call: an endpoint may be away, or frozen.
	patience = 5 * time.Second
)

// Storm is calls of every kind about several callbacks, to several endpoints in turn.
type Storm struct {
	addresses []string
	calls     []Call
	made      atomic.Int64

	mu   sync.Mutex
	owed map[int]string // what is wrong with the answer so far, by the calls that have not had the right one
}

// NewStorm has all calls about callbacks, in a random order. There must be two callbacks at least, each of another item.
func NewStorm(callbacks []Callback, addresses []string, random *rand.Rand) *Storm {
	s := &Storm{addresses: addresses, owed: map[int]string{}}
	for i, one := range callbacks {
		other := callbacks[(i+1)%len(callbacks)]
		s.calls = slices.Concat(s.calls, Refused(one, other), Repeated(one, other))
	}
	random.Shuffle(len(s.calls), func(i, j int) { s.calls[i], s.calls[j] = s.calls[j], s.calls[i] })
	for i := range s.calls {
		s.owed[i] = "it has not been made"
	}
	return s
}

// Made is how many calls have been made.
func (s *Storm) Made() int64 { return s.made.Load() }

// Rage makes the calls over and over until ctx ends.
func (s *Storm) Rage(ctx context.Context) {
	var all sync.WaitGroup
	for first := range forgers {
		all.Go(func() {
			pauses := time.NewTicker(pause)
			defer pauses.Stop()
			for i := first; ; i += forgers {
				select {
				case <-ctx.Done():
					return
				case <-pauses.C:
				}
				s.call(ctx, i%len(s.calls))
			}
		})
	}
	all.Wait()
}

// Owed makes the calls again that have not had the right answer yet, because their endpoint was away or could not tell, and says how many
// there still are, or nothing.
func (s *Storm) Owed(ctx context.Context) (string, error) {
	for i := range s.calls {
		if s.owes(i) && ctx.Err() == nil {
			s.call(ctx, i)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range s.owed {
		return fmt.Sprintf("%d of %d calls have not had the right answer: %s", len(s.owed), len(s.calls), what), nil
	}
	return "", nil
}

func (s *Storm) owes(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, owed := s.owed[i]
	return owed
}

func (s *Storm) call(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	call, n := s.calls[i], s.made.Add(1)
	status, err := call.Send(ctx, s.addresses[n%int64(len(s.addresses))])
	s.mu.Lock()
	defer s.mu.Unlock()
	switch _, owed := s.owed[i]; {
	case !owed:
	case err != nil:
		s.owed[i] = err.Error()
	case status != call.Want:
		s.owed[i] = fmt.Sprintf("%q is answered %d, not %d", call.Name, status, call.Want)
	default:
		delete(s.owed, i)
	}
}
