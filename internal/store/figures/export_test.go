package figures

// The statements whose plans are looked at.
var (
	ActivitySQL     = activitySQL
	LimitHistorySQL = limitHistorySQL
	EndedOfSQL      = endedOfSQL
	EndedSinceSQL   = endedSinceSQL
	LineSQL         = lineSQL
)
