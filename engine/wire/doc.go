// Package wire is the language of AltNet's peers: message types, framing,
// limits and the canonical form. It knows no sockets; PROTOCOL.md beside it is
// the specification, held to the code by golden vectors.
package wire
