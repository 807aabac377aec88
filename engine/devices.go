package engine

import (
	"errors"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/resolver"
)

// followOwn tells authors whose site has a newer version in the network than
// here: another device of theirs published it, and what they publish here next
// would replace it.
func (e *Engine) followOwn() {
	var own []entry
	err := each(e.sites.own, func(_ identity.PublicKey, en entry) { own = append(own, en) })
	if err != nil {
		e.log.Warn("read the book of sites", "err", err)
	}
	for _, en := range own {
		if err := e.lookForNewer(en); err != nil && e.ctx.Err() == nil {
			e.log.Debug("look for a newer version of an own site", "err", err)
		}
	}
}

func (e *Engine) lookForNewer(en entry) error {
	old, err := en.parsed()
	if err != nil {
		return err
	}
	ctx := control.WithCaller(e.ctx, control.Caller{User: en.User})
	res, err := e.lookUp(ctx, e.address(en.Owner))
	if err != nil && !errors.Is(err, resolver.ErrWithdrawn) {
		return err
	}
	if !res.Record.Supersedes(&old) {
		return nil
	}
	bucket, key := e.store.Bucket(toldBucket), []byte("device "+res.Record.Hash.String()+" "+en.User)
	if _, done, err := bucket.Get(key); done || err != nil {
		return err
	}
	if err := bucket.Put(e.ctx, key, []byte{1}, time.Now().Add(toldFor)); err != nil {
		return err
	}
	name := e.nameOf(&res.Record)
	e.tell(en.User, control.Notice{Kind: control.NoticeTwoDevices, Name: name,
		Text: "Another device published a newer version of " + name + ". What is published here next replaces it."})
	return nil
}
