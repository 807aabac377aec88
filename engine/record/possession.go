package record

import (
	"altnet/engine/identity"
	"altnet/engine/wire"
)

// A signed record is no secret: whoever reads it in the network may hand it to
// a node that several people share, before its author does. So the author
// hands in a proof, too, that only who has the device's key can make. It holds
// for one record, one node and one of its users, and is sent to nobody else.

const possessionDomain = "altnet possession v1"

type possession struct {
	Node   string    `cbor:"1,keyasint"` // as Control's status gives it
	User   string    `cbor:"2,keyasint,omitempty"`
	Record wire.Hash `cbor:"3,keyasint"`
}

// Prove returns the proof that a user of a node has the key that signed a
// record. node and user are what the node calls itself and the user.
func Prove(device identity.Key, r *Record, node, user string) ([]byte, error) {
	body, err := wire.Marshal(possession{node, user, r.Hash})
	if err != nil {
		return nil, err
	}
	return device.Sign(possessionDomain, body), nil
}

// ProvedBy reports whether proof was made by the record's device for a user of
// a node.
func (r *Record) ProvedBy(proof []byte, node, user string) bool {
	body, err := wire.Marshal(possession{node, user, r.Hash})
	return err == nil && r.Delegation.Key.Verify(possessionDomain, body, proof)
}
