package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"altnet/engine/control"
	"altnet/engine/wire"
)

// version is the release; the linker may set it.
var version = "0.1.0-dev"

type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	System   string `json:"system"`
}

func thisVersion() versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = short(s.Value)
			}
		}
	}
	return v
}

func showVersion(_ context.Context, s *session, _ []string) error {
	v := thisVersion()
	return s.result(v, func(w io.Writer) {
		fmt.Fprintf(w, "altnet %s %s %s %s\n", v.Version, v.Revision, v.Go, v.System)
	})
}

func status(ctx context.Context, s *session, _ []string) error {
	st, err := s.control.Status(ctx)
	if err != nil {
		return err
	}
	return s.result(st, func(w io.Writer) { printStatus(w, st) })
}

func printStatus(w io.Writer, st control.Status) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s "+format+"\n", append([]any{name}, args...)...)
	}
	line("state", "%s", stateText(st))
	line("version", "%s", st.Version)
	if st.NodeID == "" {
		return // we are no operator
	}
	line("node", "%s", st.NodeID)
	line("network", "%s", st.Network)
	line("since", "%s (%s)", timeText(st.Started), strings.TrimSpace(humanize.RelTime(st.Started, time.Now(), "", "")))
	line("listens", "%s", orNone(st.Listen))
	line("announced", "%s", orNone(st.Addresses))
	for _, door := range []struct{ name, addr string }{
		{"gateway", st.Doors.Gateway}, {"https", st.Doors.GatewayTLS}, {"dns", st.Doors.DNS}, {"pac", st.Doors.PAC}, {"ca", st.Doors.CA},
	} {
		if door.addr != "" {
			line(door.name, "%s", door.addr)
		}
	}
	line("peers", "%d in session, %d in the routing table, about %d in the network", st.Peers, st.DHT.Peers, st.DHT.Estimate)
	line("store", "%s of %s: own %s, pinned %s, kept for others %s, cache %s", bytesText(st.Store.Used), bytesText(st.Store.Budget),
		bytesText(st.Store.Own), bytesText(st.Store.Pinned), bytesText(st.Store.Leased), bytesText(st.Store.Cache))
	line("sites", "%d published here, %d kept for others", st.Sites, st.Keeping)
	line("traffic", "%s up, %s down; %s this month", humanize.Bytes(st.Traffic.Up), humanize.Bytes(st.Traffic.Down), bytesText(st.MonthUsed))
}

func stateText(st control.Status) string {
	switch {
	case !st.Accepted && st.NodeID != "":
		return "waiting for consent: altnet settings accepted yes"
	case !st.Online:
		return "offline"
	case st.Paused != nil:
		return pauseText(st.Paused)
	case st.NodeID == "" || st.Connected:
		return "online"
	default:
		return "online, no peer yet"
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ", ")
}

func peers(ctx context.Context, s *session, _ []string) error {
	list, err := s.control.Peers(ctx)
	if err != nil {
		return err
	}
	return s.result(nonNil(list), func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "No peers yet.")
			return
		}
		printPeers(w, list)
	})
}

func printPeers(w io.Writer, list []control.Peer) {
	table(w, "NODE\tSTATE\tRTT\tADDRESS\tAGENT", func(row func(...any)) {
		for _, p := range list {
			row(short(p.ID), peerState(p), rttText(p.RTT), orNone(p.Addresses), printable(p.Agent))
		}
	})
}

func peerState(p control.Peer) string {
	var state []string
	for _, f := range []struct {
		on   bool
		word string
	}{{p.Connected, "session"}, {p.Connected && p.Inbound, "inbound"}, {p.Routing, "table"}, {p.Volunteer, "keeps"}} {
		if f.on {
			state = append(state, f.word)
		}
	}
	return orNone(state)
}

func rttText(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.Round(10 * time.Microsecond).String()
}

// nonNil makes an empty list [] in JSON.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func showDHT(ctx context.Context, s *session, _ []string) error {
	st, err := s.control.Status(ctx)
	if err != nil {
		return err
	}
	return s.result(st.DHT, func(w io.Writer) {
		d := st.DHT
		fmt.Fprintf(w, "%s in the table, about %d in the network\n", count(d.Peers, "peer"), d.Estimate)
		fmt.Fprintf(w, "stored for others: %s, %s\n", count(d.Records, "record"), count(d.Providers, "provider entry"))
		fmt.Fprintf(w, "answers requests: %v\n", d.Server)
		for _, b := range d.Buckets {
			fmt.Fprintf(w, "  prefix %3d: %s %d\n", b.Prefix, strings.Repeat("#", b.Peers), b.Peers)
		}
	})
}

func online(ctx context.Context, s *session, _ []string) error { return setOnline(ctx, s, true) }

func offline(ctx context.Context, s *session, _ []string) error { return setOnline(ctx, s, false) }

func setOnline(ctx context.Context, s *session, on bool) error {
	if err := s.control.SetOnline(ctx, on); err != nil {
		return err
	}
	return s.result(map[string]bool{"online": on}, func(w io.Writer) {
		fmt.Fprintln(w, map[bool]string{true: "Online.", false: "Offline. Local copies stay readable."}[on])
	})
}

func bootstrap(ctx context.Context, s *session, args []string) error {
	p, err := s.control.Connect(ctx, args[0])
	if err != nil {
		return err
	}
	return s.result(p, func(w io.Writer) { fmt.Fprintf(w, "Connected to %s.\n", p.ID) })
}

func ping(ctx context.Context, s *session, args []string) error {
	pong, err := s.control.Ping(ctx, args[0])
	if err != nil {
		return err
	}
	return s.result(pong, func(w io.Writer) { fmt.Fprintf(w, "%s answered in %s\n", short(pong.Peer.ID), rttText(pong.RTT)) })
}

func find(ctx context.Context, s *session, args []string) error {
	found, err := s.control.Find(ctx, args[0])
	if err != nil {
		return err
	}
	return s.result(found, func(w io.Writer) {
		fmt.Fprintf(w, "key %s\n%s in %s, %s\n", found.Key, count(found.Requests, "request"), rttText(found.Took), count(found.Records, "record"))
		for _, p := range found.Providers {
			fmt.Fprintf(w, "held by %s (%s)\n", short(p.Peer), map[bool]string{true: "complete", false: "in part"}[p.Full])
		}
		printPeers(w, found.Closest)
	})
}

func put(ctx context.Context, s *session, args []string) error {
	data := []byte(strings.Join(args, " "))
	if name, ok := strings.CutPrefix(args[0], "@"); ok && len(args) == 1 {
		var err error
		if data, err = readSmall(name); err != nil {
			return err
		}
	}
	hash, err := s.control.Put(ctx, data)
	if err != nil {
		return err
	}
	return s.result(map[string]string{"hash": hash.String()}, func(w io.Writer) { fmt.Fprintln(w, hash) })
}

// readSmall reads a file that fits into one block.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, wire.MaxBlock+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > wire.MaxBlock {
		return nil, fmt.Errorf("%s is larger than one block of %s: publish its folder instead", name, bytesText(wire.MaxBlock))
	}
	return data, nil
}

func get(ctx context.Context, s *session, args []string) error {
	hash, err := parseHash(args[0])
	if err != nil {
		return err
	}
	data, err := s.control.Get(ctx, hash)
	if err != nil {
		return err
	}
	return s.result(map[string][]byte{"data": data}, func(w io.Writer) {
		if s.outTTY && bytes.ContainsFunc(data, steering) {
			fmt.Fprintf(w, "%d bytes that are not text: redirect them to a file.\n", len(data))
			return
		}
		w.Write(data)
		if s.outTTY && !bytes.HasSuffix(data, []byte("\n")) {
			fmt.Fprintln(w)
		}
	})
}
