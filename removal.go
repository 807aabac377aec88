package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"

	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/wire"
)

// removal takes what is a person's from one node to the one that has taken its
// place. Nothing is taken away from the former node.
type removal struct {
	profile  *publisher.Profile
	to       control.Control
	node     control.Status    // of to
	from     control.Control   // nil: it cannot be asked any more, the network can
	settings *control.Settings // of the former node; nil: nobody agreed to be a peer there
	offline  bool              // the person had switched it off
	log      *slog.Logger
}

// run moves everything and returns the names of the sites that could not be
// had yet. What is there already is left alone.
func (r removal) run(ctx context.Context) (missing []string, err error) {
	if err := r.consent(ctx); err != nil {
		return nil, err
	}
	there, err := r.to.Sites(ctx)
	if err != nil {
		return nil, err
	}
	mine, err := r.profile.Sites()
	if err != nil {
		return nil, err
	}
	for _, s := range mine {
		address := record.Address(s.Root)
		if s.Seq == 0 || s.Withdrawn || slices.ContainsFunc(there, func(x control.Site) bool { return x.Own && label(x) == address }) {
			continue
		}
		if err := r.site(ctx, s, address); err != nil {
			r.log.Warn("bring a site to this node", "site", s.Bare(), "err", err)
			missing = append(missing, s.Bare())
		}
	}
	return append(missing, r.pins(ctx, there)...), ctx.Err()
}

// askFormer learns from the former node what was agreed to there: that is newer
// than what the agent remembered.
func (r *removal) askFormer(ctx context.Context) {
	s, err := r.from.Settings(ctx)
	if err != nil {
		return
	}
	if st, err := r.from.Status(ctx); err == nil {
		r.settings, r.offline = &s, st.Accepted && !st.Online
	}
}

// label is the address of a site without its suffix.
func label(s control.Site) string {
	l, _, _ := strings.Cut(s.Address, ".")
	return l
}

// consent has the person's word count here that they gave for the former node,
// with its limits and its switch. A node that is used by several, and that this person does not
// operate, is not theirs to bind.
func (r removal) consent(ctx context.Context) error {
	if r.settings == nil || r.settings.Accepted.IsZero() {
		return nil
	}
	now, err := r.to.Settings(ctx)
	if err != nil || !now.Accepted.IsZero() {
		return err
	}
	want := *r.settings
	want.HTTPS = now.HTTPS // its root is another one
	if r.offline {         // before it could go online
		err = r.to.SetOnline(ctx, false)
	}
	if err == nil {
		err = r.to.SetSettings(ctx, want)
	}
	if errors.Is(err, control.ErrDenied) {
		return nil
	}
	return err
}

// site makes the node serve a site of the person's as theirs.
func (r removal) site(ctx context.Context, s publisher.Site, address string) error {
	raw, err := r.content(ctx, address)
	if err != nil {
		return err
	}
	proof, err := r.profile.Prove(s.Root, raw, r.node.NodeID, r.node.User)
	if err != nil {
		return err
	}
	_, err = r.to.Publish(ctx, control.PublishRequest{Record: raw, Proof: proof})
	return err
}

// content brings the blocks of a site to the node and returns the record that
// is in force.
func (r removal) content(ctx context.Context, address string) (raw []byte, err error) {
	if r.from != nil {
		res, err := r.from.Resolve(ctx, address)
		if err == nil {
			if err = r.copy(ctx, res.Root); err == nil {
				return res.Record, nil
			}
		}
		r.log.Info("the former node does not have it; others may", "site", address, "err", err)
	}
	res, err := r.to.Resolve(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("ask the network: %w", err)
	}
	if err := r.to.SetPinned(ctx, address, true); err != nil {
		return nil, fmt.Errorf("fetch it from the network: %w", err)
	}
	return res.Record, nil
}

// copy hands the blocks over that the node lacks.
func (r removal) copy(ctx context.Context, root string) error {
	hash, err := hex.DecodeString(root)
	if err != nil || len(hash) != len(wire.Hash{}) {
		return fmt.Errorf("%q is no content root", root)
	}
	blocks, err := site.Preorder(ctx, wire.Hash(hash), blocksOf{r.from})
	if err != nil {
		return err
	}
	const batch = 4096
	for part := range slices.Chunk(blocks, batch) {
		have, err := r.to.HaveBlocks(ctx, part)
		if err != nil {
			return err
		}
		var failed error
		err = r.to.PutBlocks(ctx, r.lacking(ctx, part, have, &failed))
		if err = errors.Join(failed, err); err != nil {
			return err
		}
	}
	return nil
}

// lacking yields the blocks that the node does not have.
func (r removal) lacking(ctx context.Context, hashes []wire.Hash, have []bool, failed *error) iter.Seq2[wire.Hash, []byte] {
	return func(yield func(wire.Hash, []byte) bool) {
		for i, h := range hashes {
			if have[i] {
				continue
			}
			data, err := r.from.Get(ctx, h)
			if err != nil {
				*failed = err
				return
			}
			if !yield(h, data) {
				return
			}
		}
	}
}

// blocksOf reads blocks from a node.
type blocksOf struct{ node control.Control }

// Get implements site.Blocks.
func (b blocksOf) Get(ctx context.Context, h wire.Hash, _ []byte) ([]byte, error) {
	return b.node.Get(ctx, h)
}

// pins has the node keep the sites of others that the former one kept for this
// person.
func (r removal) pins(ctx context.Context, there []control.Site) (missing []string) {
	if r.from == nil {
		return nil
	}
	kept, err := r.from.Sites(ctx)
	if err != nil {
		r.log.Warn("list what the former node keeps", "err", err)
		return nil
	}
	for _, s := range kept {
		if !s.Pinned || s.Own || slices.ContainsFunc(there, func(x control.Site) bool { return x.Address == s.Address }) {
			continue
		}
		if err := r.to.SetPinned(ctx, s.Address, true); err != nil {
			r.log.Warn("keep a site here, too", "err", err) // its name is nobody's business
			missing = append(missing, s.Name)
		}
	}
	return missing
}
