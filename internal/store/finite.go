package store

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Earliest and Latest are what times that lie before or behind them are read as where a dispatcher reads them, infinite ones
// too. An application enqueues none of these, but rows come by other ways, and one that could not be read would keep its
// shard from being loaded.
var (
	Earliest = time.Unix(-1<<37, 0)    // 2386 BC
	Latest   = time.UnixMicro(1 << 61) // the year 75043
)

// finite scans a time into one that can be counted with; NULL leaves it as it is.
type finite struct{ at *time.Time }

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (f finite) ScanTimestamptz(v pgtype.Timestamptz) error {
	switch {
	case !v.Valid:
	case v.InfinityModifier == pgtype.NegativeInfinity || v.InfinityModifier == pgtype.Finite && v.Time.Before(Earliest):
		*f.at = Earliest
	case v.InfinityModifier == pgtype.Infinity || v.Time.After(Latest):
		*f.at = Latest
	default:
		*f.at = v.Time
	}
	return nil
}

// infinite is a time as a statement compares rows with it: what is read as Earliest comes behind nothing.
func infinite(at time.Time) pgtype.Timestamptz {
	if at.After(Earliest) {
		return pgtype.Timestamptz{Time: at, Valid: true}
	}
	return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
}
