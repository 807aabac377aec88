package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/wire"
)

func publish(ctx context.Context, s *session, args []string) error {
	name := ""
	if len(args) > 1 {
		name = args[1]
	}
	return s.sign(ctx, func(a author, b build) (control.Receipt, error) { return a.Publish(ctx, args[0], name, b) })
}

func update(ctx context.Context, s *session, args []string) error {
	name, dir := args[0], ""
	if len(args) > 1 {
		dir = args[1]
		if isFolder(name) && !isFolder(dir) {
			name, dir = dir, name // the order of publish will do as well
		}
	}
	return s.sign(ctx, func(a author, b build) (control.Receipt, error) { return a.Update(ctx, dir, name, b) })
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func rollback(ctx context.Context, s *session, args []string) error {
	seq := uint64(0)
	if len(args) > 1 {
		var err error
		if seq, err = parseVersion(args[1]); err != nil {
			return err
		}
	}
	return s.sign(ctx, func(a author, b build) (control.Receipt, error) { return a.Rollback(ctx, args[0], seq, b) })
}

func withdraw(ctx context.Context, s *session, args []string) error {
	return s.sign(ctx, func(a author, _ build) (control.Receipt, error) { return a.Withdraw(ctx, args[0]) })
}

func register(ctx context.Context, s *session, args []string) error {
	if _, err := parseHash(args[1]); err != nil {
		return err
	}
	return s.sign(ctx, func(a author, b build) (control.Receipt, error) { return a.Register(ctx, args[0], args[1], b) })
}

// sign runs what the author signs and shows the receipt.
func (s *session) sign(ctx context.Context, do func(author, build) (control.Receipt, error)) error {
	a, err := s.author()
	if err != nil {
		return err
	}
	step, end := s.bar(s.opts)
	signed, unfollow := s.followOffer(ctx, step)
	var skipped []string
	waived := false // what -include can bring in
	r, err := do(a, build{
		note: s.opts.note, include: s.opts.include, exclude: s.opts.exclude, progress: step, signed: signed,
		skipped: func(path, why string, byDefault bool) {
			skipped, waived = append(skipped, fmt.Sprintf("%s (%s)", printable(path), why)), waived || byDefault
		},
	})
	unfollow()
	end()
	s.showSkipped(skipped, waived)
	if err != nil {
		return err
	}
	doors := control.Doors{}
	if st, err := s.control.Status(ctx); err == nil {
		doors = st.Doors
	}
	return s.result(r, func(w io.Writer) {
		printReceipt(w, r, doors)
		printOutlook(w, r)
	})
}

// followOffer returns what shows how far the first copy of a site is, from when
// it was signed until unfollow.
func (s *session) followOffer(ctx context.Context, step func(stage string, done, total int64)) (signed func(root string), unfollow func()) {
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	follow := func(root string) {
		for e, err := range s.control.Events(ctx) {
			if err != nil {
				return // the receipt comes all the same
			}
			if p := e.Progress; p != nil && p.Task == control.TaskOffer && p.Root == root && p.Error == "" {
				step("handing out copies", p.Done, p.Total)
			}
		}
	}
	signed = func(root string) {
		if s.errTTY && !s.opts.json { // somebody watches
			following.Go(func() { follow(root) })
		}
	}
	return signed, func() {
		cancel()
		following.Wait()
	}
}

// printOutlook says what is still to come after a receipt.
func printOutlook(w io.Writer, r control.Receipt) {
	switch {
	case r.Withdrawn && r.Records > 0:
	case r.Records == 0:
		fmt.Fprintln(w, "No other peer was told yet: the node does that by itself as soon as it reaches one.")
	case r.Sleeps:
		fmt.Fprintf(w, "More copies may be on their way: altnet receipt %s\n", r.Name)
	}
}

// showSkipped says what was not published, so that nobody misses it.
func (s *session) showSkipped(skipped []string, waived bool) {
	const most = 10
	for i, line := range skipped {
		if i == most {
			fmt.Fprintf(s.err, "not published: %d more\n", len(skipped)-most)
			break
		}
		fmt.Fprintf(s.err, "not published: %s\n", line)
	}
	if waived {
		fmt.Fprintln(s.err, "(-include PATTERN publishes what is left out by default)")
	}
}

func printReceipt(w io.Writer, r control.Receipt, doors control.Doors) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s "+format+"\n", append([]any{name}, args...)...)
	}
	if r.Withdrawn {
		fmt.Fprintf(w, "%s is withdrawn; told so far: %s.\n", r.Name, count(r.Records, "peer"))
		return
	}
	line("address", "http://%s/", r.Name)
	if shown := reads(r.Name); shown != r.Name {
		line("reads", "http://%s/", shown)
	}
	if r.Address != r.Name {
		line("always", "http://%s/", r.Address)
	}
	if url := secondDoor(r.Name, doors.Gateway); url != "" {
		line("here", "%s", url)
	}
	line("root", "%s", r.Root)
	line("version", "%d", r.Seq)
	line("size", "%s", bytesText(r.Size))
	line("records", "on %s", count(r.Records, "other peer"))
	line("copies", "%d complete on other peers", r.Copies)
	for _, c := range r.Confirmed {
		what := "complete"
		if !c.Full {
			what = fmt.Sprintf("%d blocks", c.Blocks)
		}
		line("", "  %s confirmed: %s, until %s", short(c.Peer), what, timeText(c.Until))
	}
	if r.Sleeps {
		fmt.Fprintln(w, "With fewer than two copies elsewhere, the site sleeps when this computer sleeps.")
	}
}

// reads is a name in its own script, where that does not deceive.
func reads(name string) string {
	n, err := record.ParseName(name, "")
	if err != nil {
		return name
	}
	shown, _ := n.Display("")
	return shown
}

// secondDoor is the address of a site that works without any set-up.
func secondDoor(name, gateway string) string {
	_, port, err := net.SplitHostPort(gateway)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("http://%s-alt.localhost:%s/", strings.TrimSuffix(name, ".alt"), port)
}

func sites(ctx context.Context, s *session, _ []string) error {
	list, err := s.control.Sites(ctx)
	if err != nil {
		return err
	}
	return s.result(nonNil(list), func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "Nothing yet: altnet publish DIR [NAME]")
			return
		}
		table(w, "NAME\tSTATE\tCOPIES\tSIZE\tPUBLISHED\tROOT", func(row func(...any)) {
			for _, site := range list {
				row(bothNames(site.Name), siteState(site), site.Copies, bytesText(site.Size), timeText(site.Published), short(site.Root))
			}
		})
	})
}

func siteState(site control.Site) string {
	var state []string
	for _, f := range []struct {
		on   bool
		word string
	}{{site.Own, "own"}, {site.Pinned, "pinned"}, {site.Withdrawn, "withdrawn"}, {site.Own && site.Sleeps && !site.Withdrawn, "sleeps with this computer"}} {
		if f.on {
			state = append(state, f.word)
		}
	}
	return orNone(state)
}

func versions(ctx context.Context, s *session, args []string) error {
	list, err := s.control.Versions(ctx, args[0])
	if err != nil {
		return err
	}
	return s.result(nonNil(list), func(w io.Writer) {
		table(w, "VERSION\tDATE\tSIZE\tROOT\tNOTE", func(row func(...any)) {
			for _, v := range list {
				mark := ""
				if v.Current {
					mark = " (current)"
				}
				row(fmt.Sprint(v.Seq)+mark, timeText(v.Time), bytesText(v.Size), short(v.Root), printable(v.Note))
			}
		})
	})
}

func drop(ctx context.Context, s *session, args []string) error {
	seq, err := parseVersion(args[1])
	if err != nil {
		return err
	}
	if err := s.control.DropVersion(ctx, args[0], seq); err != nil {
		return err
	}
	return s.result(struct{}{}, func(w io.Writer) { fmt.Fprintf(w, "Version %d is forgotten.\n", seq) })
}

func receipt(ctx context.Context, s *session, args []string) error {
	r, err := s.control.Receipt(ctx, args[0])
	if err != nil {
		return err
	}
	return s.result(r, func(w io.Writer) { printReceipt(w, r, control.Doors{}) })
}

func resolve(ctx context.Context, s *session, args []string) error {
	r, err := s.control.Resolve(ctx, args[0])
	if err != nil {
		printRivals(s.err, r)
		return err
	}
	return s.result(r, func(w io.Writer) { printResolution(w, r) })
}

func printResolution(w io.Writer, r control.Resolution) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s "+format+"\n", append([]any{name}, args...)...)
	}
	line("name", "%s", r.Name)
	if r.Unicode != "" && r.Unicode != r.Name {
		line("reads", "%s", printable(r.Unicode))
	}
	line("address", "%s", r.Address)
	line("owner", "%s", r.Owner)
	line("root", "%s", r.Root)
	line("version", "%d of %s, valid until %s", r.Seq, timeText(r.Issued), timeText(r.Expires))
	line("size", "%s", bytesText(r.Size))
	if r.Warning != "" {
		line("warning", "%s", printable(r.Warning))
	}
	if r.Stale {
		line("stale", "the last known state: the network could not be asked")
	}
	printRivals(w, r)
}

func printRivals(w io.Writer, r control.Resolution) {
	for _, rival := range r.Rivals {
		fmt.Fprintf(w, "%-10s %s, first seen %s, backed by %s\n", "also", rival.Address, timeText(rival.FirstSeen), count(rival.Answers, "IP group"))
	}
}

func accept(ctx context.Context, s *session, args []string) error {
	if err := s.control.Accept(ctx, args[0]); err != nil {
		return err
	}
	return s.result(struct{}{}, func(w io.Writer) { fmt.Fprintf(w, "The present owner of %s is trusted from now on.\n", args[0]) })
}

func pin(ctx context.Context, s *session, args []string) error {
	return setPinned(ctx, s, args[0], true)
}

func unpin(ctx context.Context, s *session, args []string) error {
	return setPinned(ctx, s, args[0], false)
}

func setPinned(ctx context.Context, s *session, name string, on bool) error {
	if err := s.control.SetPinned(ctx, name, on); err != nil {
		return err
	}
	return s.result(map[string]bool{"pinned": on}, func(w io.Writer) {
		if on {
			fmt.Fprintf(w, "%s is complete here, stays, and is shared.\n", name)
			return
		}
		fmt.Fprintf(w, "%s is kept no longer.\n", name)
	})
}

func fetch(ctx context.Context, s *session, args []string) error {
	target, dest := args[0], args[1]
	total := int64(0)
	if _, err := parseHash(target); err != nil {
		r, err := s.control.Resolve(ctx, target)
		if err != nil {
			printRivals(s.err, r)
			return err
		}
		target, total = r.Root, r.Size
	}
	stream, err := s.control.Archive(ctx, target)
	if err != nil {
		return err
	}
	defer stream.Close()
	step, end := s.bar(s.opts)
	n, err := control.Unpack(ctx, stream, dest, func(u control.Unpacked) { step("fetching", u.Bytes, max(total, u.Bytes)) })
	end()
	if err != nil {
		return err
	}
	return s.result(struct {
		Root string `json:"root"`
		control.Unpacked
	}{target, n}, func(w io.Writer) {
		fmt.Fprintf(w, "%s, %s, every block verified, in %s\n", count(n.Files, "file"), bytesText(n.Bytes), dest)
	})
}

// parseHash reads 64 hex digits.
func parseHash(s string) (wire.Hash, error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(wire.Hash{}) {
		return wire.Hash{}, usagef("%q is not a hash of 64 hex digits", printable(s))
	}
	return wire.Hash(raw), nil
}

func parseVersion(s string) (uint64, error) {
	seq, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, usagef("%q is not a version: see altnet versions NAME", printable(s))
	}
	return seq, nil
}
