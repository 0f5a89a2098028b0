// Package rest is what the connectors in this folder have in common that
// collect from a JSON API: requests to one origin, lists in pages, rate limits,
// and what has changed since the last run in a list that tells only what is.
//
// # Promise
//
// A [Client] calls one origin and no other, whatever an answer links to. An
// answer of more than [MaxAnswer] bytes, a list of more than [MaxPages] pages
// and one that leads back to a page that was read end the run with an error
// that says so. No error holds a query: a credential may stand there.
//
// A Client may be used from several goroutines; an [Inventory] from one.
package rest
