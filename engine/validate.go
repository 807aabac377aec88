package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"altnet/engine/control"
	"altnet/engine/dht"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/replica"
	"altnet/engine/wire"
)

// validate decides whether a record may be stored in the DHT here. The DHT
// counts checks by IP group before it asks.
func (e *Engine) validate(key wire.Hash, value []byte, now time.Time) (dht.RecordInfo, error) {
	r, err := record.Check(e.network, key, value, now, record.StoreSkew)
	if err != nil {
		return dht.RecordInfo{}, err
	}
	if reason, refused := e.rules.now().Refuses(&r, now); refused {
		return dht.RecordInfo{}, fmt.Errorf("refused here: %s", reason)
	}
	if err := e.gate.Admit(&r, record.AnyGroup, now); err != nil {
		return dht.RecordInfo{}, err
	}
	info := r.Info()
	return dht.RecordInfo{
		Owner: info.Owner, Seq: info.Order(), Expires: info.Expires,
		Tombstone: info.Tombstone, Exclusive: info.Exclusive(key),
	}, nil
}

// vouch verifies the record that comes with an offer, or one kept from before.
func (e *Engine) vouch(_ context.Context, raw []byte, group string) (replica.Voucher, error) {
	r, err := record.Parse(raw)
	if err != nil {
		return replica.Voucher{}, err
	}
	now := time.Now()
	if _, err := record.Check(e.network, record.SiteKey(r.Root), raw, now, record.StoreSkew); err != nil {
		return replica.Voucher{}, err
	}
	if reason, refused := e.rules.now().Refuses(&r, now); refused {
		return replica.Voucher{}, fmt.Errorf("%w: %s", replica.ErrRefusedHere, reason)
	}
	if err := e.gate.Admit(&r, group, now); err != nil {
		return replica.Voucher{}, err
	}
	return voucherOf(&r), nil
}

func voucherOf(r *record.Record) replica.Voucher {
	return replica.Voucher{
		Owner: r.Root, Root: r.Content, Seq: r.Info().Order(), Expires: r.ExpiresAt(), Withdrawn: r.Tombstone(), Raw: r.Raw,
	}
}

// latest asks the network for the newest record of a site's owner.
func (e *Engine) latest(ctx context.Context, owner identity.PublicKey) (replica.Voucher, error) {
	var best record.Record
	key := record.SiteKey(owner)
	_, err := e.dht.Get(ctx, key, func(a dht.Answer) bool {
		for _, s := range a.Records {
			r, err := record.Check(e.network, key, s.Value, time.Now(), record.ReadSkew)
			if err != nil && !errors.Is(err, record.ErrExpired) {
				continue
			}
			if best.IsZero() || r.Supersedes(&best) {
				best = r
			}
		}
		return false
	})
	if best.IsZero() {
		return replica.Voucher{}, errors.Join(control.ErrNotFound, err)
	}
	return voucherOf(&best), nil
}
