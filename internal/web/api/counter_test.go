package api

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestOneTokenDoesNotTakeAllThatMayBeUnderWay(t *testing.T) {
	t.Parallel()
	w := newCounter(mostWaits, mostWaitsOfOne)
	one, another := uuid.New(), uuid.New()
	var leave func()
	for range mostWaitsOfOne {
		left, ok := w.enter(one)
		require.True(t, ok)
		leave = left
	}
	_, ok := w.enter(one)
	require.False(t, ok)
	_, ok = w.enter(another)
	require.True(t, ok)
	leave()
	_, ok = w.enter(one)
	require.True(t, ok)
	for range mostWaits {
		w.enter(uuid.New())
	}
	_, ok = w.enter(another)
	require.False(t, ok, "all together")
}
