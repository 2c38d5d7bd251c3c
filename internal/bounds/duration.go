package bounds

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration reads one as people write it, also in whole days: 90s, 1h30m, 7d. It is not negative.
func Duration(text string) (time.Duration, error) {
	if days, inDays := strings.CutSuffix(text, "d"); inDays {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("must be a duration such as 90s, 1h30m or 7d, not %s", quoted(text))
	}
	return d, nil
}
