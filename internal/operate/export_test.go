package operate

// ListOpenExecutions tells tests when the visibility store has caught up.
var ListOpenExecutions = listOpenExecutions
