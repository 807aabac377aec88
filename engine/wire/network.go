package wire

import "crypto/sha256"

// DefaultNetwork is the name of the public network.
const DefaultNetwork = "altnet"

// NetworkID returns the id of the network called name. Peers of different
// networks refuse each other in the handshake.
func NetworkID(name string) [32]byte {
	return sha256.Sum256([]byte("altnet network v1\x00" + name))
}
