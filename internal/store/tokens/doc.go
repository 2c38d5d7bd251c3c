// Package tokens is the record of the API's tokens: who may use the HTTP API, as what, and until when.
//
// It owns the table sluice.api_tokens, what a token looks like and how it is hashed. It must not know HTTP, nor what a role may do: that is
// package web/access's to say. Values come checked by package admin.
//
// Invariants:
//   - a token has 256 random bits and is known to its holder only: the database has its SHA-256, which needs no salt for that reason;
//   - what is revoked, has expired or has lost its workspace is not found;
//   - a row is never deleted, so whether there was ever a token is known for good.
package tokens
