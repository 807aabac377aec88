package engine

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/engine/record"
)

// blank makes a profile without keys.
func blank(t *testing.T) *publisher.Profile {
	t.Helper()
	p, err := publisher.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// page makes a folder of one page, or changes it.
func page(t *testing.T, dir, text string) string {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAuthor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		ctx := t.Context()
		au := author(t, nodes[0])
		dir := page(t, "", "one")
		first, err := au.Publish(ctx, dir, "walk.alt", publisher.Options{Note: "first"})
		if err != nil || first.Name != "walk.alt" || first.Copies == 0 || first.Records == 0 {
			t.Fatalf("publish: %+v, %v", first, err)
		}
		opens(t, nodes[1], "walk.alt", "one")
		page(t, dir, "two")
		v.pass(time.Minute)
		second, err := au.Update(ctx, "walk", "", publisher.Options{})
		if err != nil || second.Seq <= first.Seq || second.Root == first.Root {
			t.Fatalf("update without naming the folder: %+v, %v", second, err)
		}
		v.pass(time.Minute)
		opens(t, nodes[1], "walk.alt", "two")
		back, err := au.Rollback(ctx, "walk.alt", 0, publisher.Options{})
		if err != nil || back.Seq <= second.Seq || back.Root != first.Root {
			t.Fatalf("roll back: %+v, %v", back, err)
		}
		v.pass(time.Minute)
		opens(t, nodes[1], "walk.alt", "one")
		if _, err := au.Rollback(ctx, "walk.alt", 12, publisher.Options{}); !errors.Is(err, publisher.ErrNoVersion) {
			t.Errorf("roll back to a version that never was: %v", err)
		}
		other := author(t, nodes[2])
		if _, err := other.Publish(ctx, dir, "walk.alt", publisher.Options{}); !errors.Is(err, publisher.ErrTaken) {
			t.Errorf("publish under a taken name: %v", err)
		}
		for _, name := range []string{"two words", "x.y", "-", "a/b", "name.com", first.Address} {
			if _, err := other.Publish(ctx, dir, name, publisher.Options{}); !errors.Is(err, record.ErrBadName) && !errors.Is(err, record.ErrOtherTLD) {
				t.Errorf("publish under %q: %v", name, err)
			}
		}
		if _, err := other.Update(ctx, "walk.alt", "", publisher.Options{}); !errors.Is(err, publisher.ErrNoSite) {
			t.Errorf("update another author's site: %v", err)
		}
		if _, err := au.Publish(ctx, filepath.Join(dir, "nothing"), "", publisher.Options{}); err == nil {
			t.Error("a folder that is not there was published")
		}
	})
}

// TestRestoreFromPhrase has a laptop lost: a blank profile on a blank node
// finds the sites by the phrase. The lost one turns up again, and neither
// undoes what the other published.
func TestRestoreFromPhrase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(4)
		ctx := t.Context()
		old := blank(t)
		before := publisher.NewAuthor(old, nodes[1])
		one := page(t, "", "one")
		first, err := before.Publish(ctx, one, "", publisher.Options{})
		if err != nil {
			t.Fatal(err)
		}
		two, err := before.Publish(ctx, page(t, "", "two"), "", publisher.Options{})
		if err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		phrase, err := old.Phrase()
		if err != nil {
			t.Fatal(err)
		}
		lost := nodes[1]
		if err := lost.SetOnline(ctx, false); err != nil {
			t.Fatal(err)
		}

		fresh := v.node(nil, nodes[0])
		v.settle()
		profile := blank(t)
		if err := profile.RestorePhrase(phrase); err != nil {
			t.Fatal(err)
		}
		after := publisher.NewAuthor(profile, fresh)
		names, err := after.Restore(ctx)
		if err != nil || len(names) != 2 {
			t.Fatalf("restored %q, %v", names, err)
		}
		sites, err := fresh.Sites(ctx)
		if err != nil || len(sites) != 2 || !sites[0].Pinned || !sites[1].Pinned {
			t.Errorf("after a restore: %+v, %v", sites, err)
		}
		opens(t, fresh, two.Address, "two")
		page(t, one, "one, from the new laptop")
		updated, err := after.Update(ctx, first.Address, one, publisher.Options{})
		if err != nil || updated.Seq <= first.Seq {
			t.Fatalf("update from the new device: %+v, %v", updated, err)
		}
		if sites, err := fresh.Sites(ctx); err != nil || len(sites) != 2 {
			t.Errorf("a site of one's own stands twice: %+v, %v", sites, err)
		}
		v.pass(time.Minute)

		if err := lost.SetOnline(ctx, true); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		kept, stop := keeping(t, old, lost)
		v.pass(31 * time.Minute)
		stop()
		<-kept
		opens(t, nodes[2], first.Address, "from the new laptop")
		again, err := before.Update(ctx, first.Address, page(t, "", "from the old laptop"), publisher.Options{})
		if err != nil || again.Seq <= updated.Seq {
			t.Errorf("the old device signs %d after %d, %v", again.Seq, updated.Seq, err)
		}
		v.pass(time.Minute)
		opens(t, fresh, first.Address, "from the old laptop")

		s, err := profile.Site(first.Address)
		if err != nil {
			t.Fatal(err)
		}
		if err := profile.ShutOut(s.Root); err != nil {
			t.Fatal(err)
		}
		if err := old.ForgetPhrase(phrase); err != nil {
			t.Fatal(err)
		}
		if _, err := after.Update(ctx, first.Address, one, publisher.Options{}); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		if _, err := before.Update(ctx, first.Address, "", publisher.Options{}); !errors.Is(err, publisher.ErrShutOut) {
			t.Errorf("a device that was shut out updates: %v", err)
		}
	})
}

// keeping runs Keep until stop.
func keeping(t *testing.T, p *publisher.Profile, e *Engine) (done <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		publisher.Keep(ctx, p, e, slog.New(slog.DiscardHandler))
	}()
	return ended, cancel
}

// TestKeep switches an author's computer on for two hours every 45 days, then
// leaves it off for too long.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		v.settle()
		profile := blank(t)
		receipt, err := publisher.NewAuthor(profile, e).Publish(t.Context(), page(t, "", "mine"), "", publisher.Options{})
		if err != nil {
			t.Fatal(err)
		}
		on := func(away time.Duration, keep bool) {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			v.pass(away)
			e = v.again(e, nil)
			v.settle()
			if keep {
				kept, stop := keeping(t, profile, e)
				v.pass(2 * time.Hour)
				stop()
				<-kept
			}
		}
		const day = 24 * time.Hour
		for range 6 {
			on(45*day, true)
			res, err := e.Resolve(t.Context(), receipt.Address)
			if err != nil || time.Until(res.Expires) < 60*day || res.Root != receipt.Root {
				t.Fatalf("renewed every 45 days: %+v, %v", res, err)
			}
		}
		if vs, err := e.Versions(t.Context(), receipt.Address); err != nil || len(vs) != 1 {
			t.Errorf("a renewal is no version: %+v, %v", vs, err)
		}
		second := blank(t) // another device of the author's publishes an update
		phrase, err := profile.Phrase()
		if err != nil || second.RestorePhrase(phrase) != nil {
			t.Fatal(err)
		}
		device := publisher.NewAuthor(second, e)
		if names, err := device.Restore(t.Context()); len(names) != 1 || !errors.Is(err, control.ErrOffline) {
			t.Fatalf("restored %q, %v", names, err) // nobody can say whether there are more
		}
		update, err := device.Update(t.Context(), receipt.Address, page(t, "", "mine, from elsewhere"), publisher.Options{})
		if err != nil {
			t.Fatal(err)
		}
		on(45*day, true)
		if res, err := e.Resolve(t.Context(), receipt.Address); err != nil || res.Root != update.Root || res.Seq <= update.Seq {
			t.Fatalf("a renewal of what another device published: %+v, %v", res, err)
		}
		on(91*day, false)
		if _, err := e.Resolve(t.Context(), receipt.Address); !errors.Is(err, control.ErrExpired) {
			t.Errorf("after 91 days: %v", err)
		}
		on(0, true)
		opens(t, e, receipt.Address, "mine")
		if err := e.SetOnline(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		was, _ := profile.Site(receipt.Address)
		on(45*day, true)
		if s, err := profile.Site(receipt.Address); err != nil || s.Seq != was.Seq {
			t.Errorf("renewed offline, where nobody hears of it: %+v, %v", s, err)
		}
	})
}
