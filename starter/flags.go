package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
)

// none takes a limit away.
const none = "none"

// wholeFlag is a limit that may be taken away: a whole number or none.
type wholeFlag struct{ change *admin.Change[int] }

func (f *wholeFlag) String() string { return "" }
func (f *wholeFlag) Type() string   { return "number" }

func (f *wholeFlag) Set(value string) error {
	f.change = &admin.Change[int]{}
	if value == none {
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("must be a whole number or %s, not %q", none, value)
	}
	f.change.To = &n
	return nil
}

// rateFlag is a rate that may be taken away: starts per second, minute or hour, or none.
type rateFlag struct{ change *admin.Change[float64] }

func (f *rateFlag) String() string { return "" }
func (f *rateFlag) Type() string   { return "rate" }

var rateUnits = map[string]float64{"s": 1, "m": 60, "h": 3600}

func (f *rateFlag) Set(value string) error {
	f.change = &admin.Change[float64]{}
	if value == none {
		return nil
	}
	count, unit, _ := strings.Cut(value, "/")
	n, err := strconv.ParseFloat(count, 64)
	if err != nil || rateUnits[unit] == 0 {
		return fmt.Errorf("must be like 5/s, 30/m or 100/h, or %s, not %q", none, value)
	}
	perSecond := n / rateUnits[unit]
	f.change.To = &perSecond
	return nil
}

// nameFlag is a name that may be taken away.
type nameFlag struct{ change *admin.Change[string] }

func (f *nameFlag) String() string { return "" }
func (f *nameFlag) Type() string   { return "name" }

func (f *nameFlag) Set(value string) error {
	f.change = &admin.Change[string]{}
	if value != none {
		f.change.To = &value
	}
	return nil
}

// hostsFlag is a list of hosts that may be taken away.
type hostsFlag struct{ change *admin.Change[[]string] }

func (f *hostsFlag) String() string { return "" }
func (f *hostsFlag) Type() string   { return "hosts" }

func (f *hostsFlag) Set(value string) error {
	f.change = &admin.Change[[]string]{}
	if value != none {
		f.change.To = new(strings.Split(value, ","))
	}
	return nil
}

const day = 24 * time.Hour

// daysFlag is a duration that may be given in days.
type daysFlag struct{ duration *time.Duration }

func (f *daysFlag) String() string { return "" }
func (f *daysFlag) Type() string   { return "duration" }

func (f *daysFlag) Set(value string) error {
	if count, inDays := strings.CutSuffix(value, "d"); inDays {
		n, err := strconv.ParseUint(count, 10, 16)
		if err != nil {
			return fmt.Errorf("must be a whole number of days, like 30d, not %q", value)
		}
		f.duration = new(time.Duration(n) * day)
		return nil
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return fmt.Errorf("must be like 30d, 12h or 90s, not %q", value)
	}
	f.duration = &d
	return nil
}

// quotaFlags are what a tier and a workspace have in common.
type quotaFlags struct {
	nominal, borrowing, lending, burst wholeFlag
	rate                               rateFlag
}

func (q *quotaFlags) add(command *cobra.Command, otherwise string) {
	f := command.Flags()
	f.Var(&q.nominal, "nominal-quota", "how many slots are guaranteed to it; none: "+otherwise)
	f.Var(&q.borrowing, "borrowing-limit", "how many slots above its nominal quota it may borrow; none: "+otherwise)
	f.Var(&q.lending, "lending-limit", "how many slots of its nominal quota it leaves to its cohort while they are idle; none: "+otherwise)
	f.Var(&q.rate, "rate", "how often it may start, like 5/s, 30/m or 100/h; none: "+otherwise)
	f.Var(&q.burst, "burst", "how many starts at once after a rest; none: "+otherwise)
}

// quotaFlagNames are those of quotaFlags.
var quotaFlagNames = []string{"nominal-quota", "borrowing-limit", "lending-limit", "rate", "burst"}

// termFlags say how long something holds.
type termFlags struct {
	length daysFlag
	until  string
}

func (f *termFlags) add(command *cobra.Command, what string) {
	command.Flags().Var(&f.length, "for", "how long "+what+", like 2h, 90s or 3d; it ends by itself")
	command.Flags().StringVar(&f.until, "until", "", "the `time` until which "+what+", like 2026-11-29T18:00:00Z; it ends by itself")
	command.MarkFlagsMutuallyExclusive("for", "until")
}

func (f *termFlags) given() bool { return f.length.duration != nil || f.until != "" }

func (f *termFlags) term() (t admin.Term, err error) {
	if d := f.length.duration; d != nil {
		if *d <= 0 {
			return t, usage("--for must be more than 0, got %s", *d)
		}
		t.For = *d
	}
	if f.until != "" {
		if t.Until, err = time.Parse(time.RFC3339, f.until); err != nil {
			return t, usage("--until must be a time like 2026-11-29T18:00:00Z, not %q", f.until)
		}
	}
	return t, nil
}
