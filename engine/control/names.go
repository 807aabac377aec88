package control

import "altnet/engine/wire"

// Hash is the SHA-256 of a block or the root of a site, so that who implements
// Control needs no other package of the engine.
type Hash = wire.Hash
