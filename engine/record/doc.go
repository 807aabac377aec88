// Package record is the law of names: what a name is, what a signed record
// says, who may sign it, and which record a reader believes. It is pure: no
// sockets, no files, no clock of its own; bytes, times and lists come in,
// decisions come out. PROTOCOL.md section 8 is the specification.
//
// A site is an Ed25519 root key. Its root key signs a Delegation to the key
// of a device; that key signs each Record, which carries the delegation.
// Check says whether a record may be stored or believed on its own; Decide
// weighs what several storing nodes answered.
package record
