package record

import (
	"errors"
	"strings"
	"testing"
	"time"

	"altnet/engine/wire"
)

func TestCheck(t *testing.T) {
	o := newOwner(1)
	r := o.site(t, "pg", testNow)
	forged := o.site(t, "pg", testNow).Raw
	forged[len(forged)-1] ^= 1
	tests := []struct {
		name    string
		network [32]byte
		key     wire.Hash
		raw     []byte
		now     time.Duration
		skew    time.Duration
		err     error
	}{
		{name: "under its name", key: NameKey("pg")},
		{name: "under its address", key: SiteKey(o.key())},
		{name: "under another name", key: NameKey("pq"), err: ErrWrongKey},
		{name: "under another address", key: SiteKey(newOwner(2).key()), err: ErrWrongKey},
		{name: "of another network", network: NetworkID("other"), key: NameKey("pg"), err: ErrNetwork},
		{name: "forged", key: NameKey("pg"), raw: forged, err: ErrSignature},
		{name: "nameless under the empty name", key: NameKey(""), raw: o.site(t, "", testNow).Raw, err: ErrWrongKey},
		{name: "our clock ten minutes behind", key: NameKey("pg"), now: -10 * time.Minute, skew: StoreSkew},
		{name: "our clock more than that behind", key: NameKey("pg"), now: -10*time.Minute - time.Millisecond, skew: StoreSkew, err: ErrFuture},
		{name: "a reader's clock a day behind", key: NameKey("pg"), now: -24 * time.Hour, skew: ReadSkew},
		{name: "a reader's clock two days behind", key: NameKey("pg"), now: -48 * time.Hour, skew: ReadSkew, err: ErrFuture},
		{name: "our clock a day ahead", key: NameKey("pg"), now: 24 * time.Hour, skew: StoreSkew},
		{name: "last moment", key: NameKey("pg"), now: DefaultLife - time.Millisecond},
		{name: "expired", key: NameKey("pg"), now: DefaultLife, err: ErrExpired},
		{name: "cut", key: NameKey("pg"), raw: r.Raw[:50], err: ErrMalformed},
		{name: "too long", key: NameKey("pg"), raw: make([]byte, MaxRecord+1), err: ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.raw == nil {
				tt.raw = r.Raw
			}
			if tt.network == [32]byte{} {
				tt.network = testNetwork
			}
			got, err := Check(tt.network, tt.key, tt.raw, testNow.Add(tt.now), tt.skew)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if readable := err == nil || errors.Is(err, ErrExpired); readable == got.IsZero() {
				t.Errorf("record returned: %v, with error %v", !got.IsZero(), err)
			}
		})
	}
}

// Whoever meets a wrong clock is told both times, and which is which.
func TestFutureErrorNamesBothClocks(t *testing.T) {
	r := newOwner(1).site(t, "", testNow)
	_, err := Check(testNetwork, SiteKey(r.Root), r.Raw, testNow.Add(-24*time.Hour), StoreSkew)
	for _, want := range []string{"24h0m0s", "2027-01-15", "2027-01-14", "clock"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not say %q", err, want)
		}
	}
}

// No sequence that a record may have overflows the order of records.
func TestOrderHoldsExtremes(t *testing.T) {
	o := newOwner(1)
	o.serial = MaxSerial
	last := uint64(maxInstant)
	d, err := Delegate(o.root, o.device.Public(), MaxSerial, last)
	if err != nil {
		t.Fatal(err)
	}
	r := o.fields(t, "", testNow)
	r.Delegation, r.Issued, r.Expires = d, last-1, last
	r.Seq = r.Issued + uint64(MaxSeqLead.Milliseconds())
	r = o.sign(t, r)
	if i := r.Info(); i.Order()>>seqBits != MaxSerial || i.Order()&(1<<seqBits-1) != r.Seq {
		t.Errorf("order %x of serial %d and sequence %x", i.Order(), i.Serial, i.Seq)
	}
	if _, err := Delegate(o.root, o.device.Public(), MaxSerial+1, last); !errors.Is(err, ErrMalformed) {
		t.Errorf("a serial beyond the limit: %v", err)
	}
}
