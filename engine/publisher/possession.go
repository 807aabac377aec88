package publisher

import (
	"context"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
)

// Prove shows that who asks has the key that signed a record of a site of this
// profile, to one node and for one of its users. Errors wrap ErrNoSite.
func (p *Profile) Prove(root identity.PublicKey, raw []byte, node, user string) ([]byte, error) {
	r, err := record.Parse(raw)
	if err != nil {
		return nil, err
	}
	x, err := p.state(root)
	if err != nil {
		return nil, err
	}
	return record.Prove(x.key(), &r, node, user)
}

// request is what is handed to the node with a record.
func (a *Author) request(ctx context.Context, root identity.PublicKey, raw []byte, note string) (control.PublishRequest, error) {
	s, err := a.node.Status(ctx)
	if err != nil {
		return control.PublishRequest{}, err
	}
	proof, err := a.profile.Prove(root, raw, s.NodeID, s.User)
	return control.PublishRequest{Record: raw, Note: note, Proof: proof}, err
}

// submit hands a signed record to the node.
func (a *Author) submit(ctx context.Context, root identity.PublicKey, raw []byte, note string) (control.Receipt, error) {
	p, err := a.request(ctx, root, raw, note)
	if err != nil {
		return control.Receipt{}, err
	}
	return a.node.Publish(ctx, p)
}
