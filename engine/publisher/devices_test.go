package publisher

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"altnet/engine/control"
	"altnet/engine/record"
)

// oneNode knows the newest record of every site it was given.
type oneNode struct {
	control.Control
	records map[string][]byte
	missing bool // the next publish lacks blocks
	fetched int
	err     error
}

func (n *oneNode) Status(context.Context) (control.Status, error) {
	return control.Status{Online: true}, nil
}

func (n *oneNode) Resolve(_ context.Context, name string) (control.Resolution, error) {
	raw, ok := n.records[name]
	switch {
	case n.err != nil:
		return control.Resolution{}, n.err
	case !ok:
		return control.Resolution{}, control.ErrUnknown
	}
	return control.Resolution{Record: raw}, nil
}

func (n *oneNode) Publish(_ context.Context, p control.PublishRequest) (control.Receipt, error) {
	if n.missing {
		return control.Receipt{}, control.ErrMissing
	}
	r, err := record.Parse(p.Record)
	if err != nil {
		return control.Receipt{}, err
	}
	n.put(p.Record)
	return control.Receipt{Name: record.Address(r.Root), Seq: r.Seq}, nil
}

func (n *oneNode) SetPinned(context.Context, string, bool) error {
	n.missing = false
	n.fetched++
	return nil
}

func (n *oneNode) put(raw []byte) {
	r, err := record.Parse(raw)
	if err != nil {
		panic(err)
	}
	n.records[record.Address(r.Root)] = raw
}

// twoDevices are a laptop and a tower with the same phrase and one site.
func twoDevices(t *testing.T) (laptop, tower *Profile, site Site, node *oneNode) {
	t.Helper()
	node = &oneNode{records: map[string][]byte{}}
	laptop, tower = open(t), open(t)
	site = newSite(t, laptop)
	node.put(signed(t)(laptop.SignRecord(t.Context(), site.Root, Fields{Content: content(1)})).Raw)
	phrase, _ := laptop.Phrase()
	if err := tower.RestorePhrase(phrase); err != nil {
		t.Fatal(err)
	}
	if names, err := NewAuthor(tower, node).Restore(t.Context()); err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	return laptop, tower, site, node
}

func TestRestoredSiteIsNoSurprise(t *testing.T) {
	_, tower, _, node := twoDevices(t)
	if found, err := NewAuthor(tower, node).Devices(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestAnotherDeviceIsNoticed(t *testing.T) {
	laptop, tower, site, node := twoDevices(t)
	here := NewAuthor(laptop, node)
	renewed := signed(t)(tower.Renew(t.Context(), site.Root))
	node.put(renewed.Raw)
	found, err := here.Devices(t.Context())
	if err != nil || len(found) != 1 || found[0].Elsewhere.Update || found[0].Elsewhere.Seq != renewed.Seq {
		t.Fatalf("a renewal: %+v, %v", found, err)
	}
	node.put(signed(t)(tower.SignRecord(t.Context(), site.Root, Fields{Content: content(2)})).Raw)
	if found, err = here.Devices(t.Context()); err != nil || len(found) != 1 || !found[0].Elsewhere.Update {
		t.Fatalf("an update: %+v, %v", found, err)
	}
	node.put(signed(t)(tower.Renew(t.Context(), site.Root)).Raw)
	if found, _ = here.Devices(t.Context()); len(found) != 1 || !found[0].Elsewhere.Update {
		t.Errorf("a renewal hides the update before it: %+v", found)
	}
	if err := laptop.SawElsewhere(site.Root); err != nil {
		t.Fatal(err)
	}
	if found, err = here.Devices(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("still there: %+v, %v", found, err)
	}
	if err := laptop.SawElsewhere(newSite(t, open(t)).Root); !errors.Is(err, ErrNoSite) {
		t.Errorf("a foreign site: %v", err)
	}
}

func TestOwnOlderRecordsAreNotAnotherDevice(t *testing.T) {
	p := open(t)
	site := newSite(t, p)
	old := backupOf(t, p)
	node := &oneNode{records: map[string][]byte{}}
	node.put(signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(1)})).Raw)
	again := open(t)
	if err := again.RestoreBackup(bytes.NewReader(old), "correct horse"); err != nil {
		t.Fatal(err)
	}
	signed(t)(again.SignRecord(t.Context(), site.Root, Fields{Content: content(1)})) // anything, so that it asks
	node.put(signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(2)})).Raw)
	if found, err := NewAuthor(again, node).Devices(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestShutOut(t *testing.T) {
	laptop, tower, site, node := twoDevices(t)
	phrase, _ := laptop.Phrase()
	if err := laptop.ForgetPhrase(phrase); err != nil { // stolen, and the thief lacks the phrase
		t.Fatal(err)
	}
	node.missing = true // the tower does not hold the newest content yet
	receipt, err := NewAuthor(tower, node).ShutOut(t.Context(), record.Address(site.Root))
	if err != nil || receipt.Seq == 0 || node.fetched == 0 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if _, err := NewAuthor(laptop, node).Devices(t.Context()); !errors.Is(err, ErrShutOut) {
		t.Errorf("the stolen laptop does not notice: %v", err)
	}
	if _, err := NewAuthor(laptop, node).ShutOut(t.Context(), record.Address(site.Root)); !errors.Is(err, ErrShutOut) {
		t.Errorf("the stolen laptop shuts out: %v", err)
	}
	if _, err := NewAuthor(tower, node).ShutOut(t.Context(), "nobody"); !errors.Is(err, ErrNoSite) {
		t.Errorf("no such site: %v", err)
	}
	node.err = control.ErrOffline
	if _, err := NewAuthor(tower, node).ShutOut(t.Context(), record.Address(site.Root)); !errors.Is(err, ErrUnasked) {
		t.Errorf("offline: %v", err)
	}
}
