package queue

import "time"

// ForgetDefinitions makes the next enqueues check theirs.
func (c *Client) ForgetDefinitions() { c.checked.forget() }

// SetPatience sets for how long an enqueue waits to share a statement, before there are any.
func (c *Client) SetPatience(d time.Duration) { c.shared.Patience = d }

// Gathered is how many enqueues wait for the next shared statement.
func (c *Client) Gathered() int { return c.shared.Waiting() }
