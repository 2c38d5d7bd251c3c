package audit

import (
	"slices"
	"time"
)

// judge shows a judge some slots in the order in which it wants them.
func judge(held []Held, limits Limits, shared Shared, since time.Time, slack time.Duration) Claims {
	held = slices.Clone(held)
	slices.SortFunc(held, byEnd)
	j := NewJudge(limits, shared, nil, since, slack)
	for _, h := range held {
		j.Add(h)
	}
	return j.Done()
}

func JudgeClaims(held []Held, limits Limits, since time.Time, slack time.Duration) Claims {
	return judge(held, limits, nil, since, slack)
}

func JudgeShared(held []Held, shared Shared, since time.Time, slack time.Duration) []Breach {
	return judge(held, nil, shared, since, slack).Shared.First
}
