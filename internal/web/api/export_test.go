package api

import (
	"context"

	"github.com/google/uuid"
)

// HoldLarge takes the places for large bodies of callers without a token, until the function that it returns is called.
func (s *API) HoldLarge() (letGo func(), err error) {
	var all []func()
	for range mostLarge {
		leave, err := s.large.take(context.Background(), uuid.Nil)
		if err != nil {
			return nil, err
		}
		all = append(all, leave)
	}
	return func() {
		for _, leave := range all {
			leave()
		}
	}, nil
}
