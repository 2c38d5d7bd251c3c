// Package access says who asks over HTTP, and whether a request may be looked at at all.
//
// It owns the check of a request's Host and Origin, the look-up of its bearer token, and what each role comes to. It must not know routes, nor
// how an answer is written.
//
// # Who asks
//
// A caller that shows a token is what the token says. While there was never a token, a caller of a listener on loopback is an operator, unless
// a proxy has forwarded the request, and a caller of any other listener is nobody. A token that was found is accepted for some seconds without asking the database again. For so long
// a revoked token still works, and for so long after the first token was made callers without one are still let in on loopback. Of tokens that
// are not remembered few are looked for at once, so that who makes tokens up leaves the database to those who have one.
//
// # Pages of others
//
// A browser sends requests in the name of any page. Three things keep a page of another origin from driving an API on a user's own machine or
// network: its name is not one that the worker answers for (DNS rebinding), its Origin is another than the Host, and what changes
// something, or is loaded as a part of another page, says that it comes from another site (Sec-Fetch-Site).
//
// Invariants:
//   - a request is let in by a token that is in the database by its hash, or on loopback, and not through a proxy that says so, where there are none;
//   - a caller of one workspace is never taken for an operator: the zero Caller may do nothing.
package access
