package record

import (
	"fmt"

	"altnet/engine/identity"
)

const (
	delegationDomain = "altnet delegation v1"
	maxDelegation    = 200

	// MaxSerial is the highest serial: one bump for each device ever lost.
	// With sequences under 2^48 the two rank records as one number.
	MaxSerial = 1<<16 - 1
	seqBits   = 48
)

// Delegation lets a device's key sign for a site. Serial is a generation:
// devices of the same serial sign side by side, and a record under a higher
// serial supersedes every record under a lower one, whatever their sequences.
// That is how a stolen device is shut out.
type Delegation struct {
	Key      identity.PublicKey // the device
	Serial   uint64
	NotAfter uint64 // Unix milliseconds
	Raw      []byte // as the root key signed it
}

type delegationBody struct {
	Key      identity.PublicKey `cbor:"1,keyasint"`
	Serial   uint64             `cbor:"2,keyasint,omitempty"`
	NotAfter uint64             `cbor:"3,keyasint,omitempty"`
}

// Delegate signs a delegation with a site's root key.
func Delegate(root identity.Key, device identity.PublicKey, serial, notAfter uint64) (Delegation, error) {
	raw, err := seal(root, delegationDomain, delegationBody{Key: device, Serial: serial, NotAfter: notAfter})
	if err != nil {
		return Delegation{}, fmt.Errorf("sign delegation: %w", err)
	}
	return ParseDelegation(raw, root.Public())
}

// ParseDelegation reads a delegation and verifies the root key's signature.
// Errors wrap ErrMalformed or ErrSignature.
func ParseDelegation(raw []byte, root identity.PublicKey) (Delegation, error) {
	d, err := decodeDelegation(raw)
	if err != nil {
		return Delegation{}, err
	}
	return d, d.verify(root)
}

func decodeDelegation(raw []byte) (Delegation, error) {
	var b delegationBody
	if _, err := unseal(raw, maxDelegation, &b, 3); err != nil {
		return Delegation{}, fmt.Errorf("delegation: %w", err)
	}
	if b.Key.IsZero() || b.NotAfter > maxInstant || b.Serial > MaxSerial {
		return Delegation{}, fmt.Errorf("delegation: key, serial or end: %w", ErrMalformed)
	}
	return Delegation{Key: b.Key, Serial: b.Serial, NotAfter: b.NotAfter, Raw: append([]byte(nil), raw...)}, nil
}

func (d *Delegation) verify(root identity.PublicKey) error {
	var b delegationBody
	env, err := unseal(d.Raw, maxDelegation, &b, 3)
	if err != nil {
		return fmt.Errorf("delegation: %w", err)
	}
	if !root.Verify(delegationDomain, env.Body, env.Sig) {
		return fmt.Errorf("delegation: %w", ErrSignature)
	}
	return nil
}
