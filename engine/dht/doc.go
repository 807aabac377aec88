// Package dht is AltNet's Kademlia: it finds the peers closest to a key, and
// keeps name records and provider records with them.
//
// The core knows no clock, socket or goroutine: Table (who is known), Lookup
// (whom to ask next), slot (what is stored under a key) and the provider rules
// take the time as an argument, so that a simulation of a hundred thousand
// nodes runs the code that ships. DHT puts the core on a Network and a Store.
//
// A lookup asks Alpha peers at a time. A peer that has not answered within the
// soft timeout no longer counts against Alpha, so that a dead peer costs
// 300 ms and not the hard timeout of 2 s; its answer still counts when it
// comes.
//
// Trust nobody's numbers: times and lifetimes sent by peers are clamped before
// arithmetic, replies are cut to 2K peers, and an address from a public peer
// never points into a private network.
package dht
