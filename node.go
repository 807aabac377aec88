package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/publisher"
	"altnet/platform"
	"altnet/platform/ipc"
	"altnet/platform/relocate"
)

// Where a node listens when nothing is said.
const (
	defaultListen  = "0.0.0.0:9000"
	defaultGateway = "127.0.0.1:8080"
)

// runNode runs a node until ctx ends, its prompt ends or it fails.
func runNode(ctx context.Context, o *options, term *terminal) error {
	if err := errors.Join(o.checkGiven("running a node", o.nodeFlags()), o.checkReady()); err != nil {
		return err
	}
	data, profile, err := o.folders()
	if err != nil {
		return err
	}
	if !o.fixedData() {
		if err := relocate.Present(pointerFile(profile)); err != nil {
			return err
		}
	}
	if o.exportKey != "" || o.importKey != "" {
		return moveKey(o, data, term)
	}
	cfg, err := o.engineConfig(data)
	if err != nil {
		return err
	}
	if cfg.Log, err = o.logger(term.err); err != nil {
		return err
	}
	cfg.System = machine{cfg.Log}
	if err := platform.Private(data); err != nil {
		return err
	}
	node, err := startNode(ctx, o, cfg, nil)
	if err != nil {
		return err
	}
	defer node.close()
	ctx = node.ctx
	var keeper sync.WaitGroup
	defer keeper.Wait()
	defer node.stop(nil) // before Wait
	keeper.Go(func() { keepSites(ctx, profile, node.Engine, cfg.Log) })
	if st, err := node.Status(ctx); err == nil && st.Doors.Gateway != "" {
		keeper.Go(func() { lendDoors(ctx, setupOf{node: node.Engine, status: st, log: cfg.Log}, data, o.passOn()) })
	}
	announce(ctx, o, term.out, node.Engine)
	if o.headless {
		<-ctx.Done()
	} else {
		s := &session{terminal: term, opts: o, control: node.Engine, prompt: true}
		s.author = func() (author, error) { return openAuthor(profile, node.Engine) }
		runPrompt(ctx, s, profile)
	}
	return ended(ctx)
}

// keepSites renews the sites of whoever started the node.
func keepSites(ctx context.Context, profile string, node control.Control, log *slog.Logger) {
	p, err := publisher.Open(profile)
	if err != nil {
		log.Warn("sites are not renewed", "err", err)
		return
	}
	publisher.Keep(ctx, p, node, log)
}

// ended returns why the node stopped, nil where it was asked to.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// engineConfig compiles the flags to what the engine is told.
func (o *options) engineConfig(data string) (engine.Config, error) {
	secret, err := readNetworkSecret(o.networkSecret)
	if err != nil {
		return engine.Config{}, err
	}
	cfg := engine.Config{
		Data: data, Keys: o.keydir, Version: version,
		Listen: o.listen, Announce: o.announce, Bootstrap: o.bootstrap,
		Network: o.network, NetworkSecret: secret, Public: o.public, NoVolunteer: o.noVolunteer,
		StoreBudget: int64(o.storeBudget), PerPeerBudget: int64(o.perPeerBudget),
		Gateway: o.gateway, GatewayTLS: o.gatewayTLS, CADir: o.caDir,
		DNS: o.dns, TLD: o.tld, DNSIP: o.dnsIP, DNSUpstream: o.dnsUpstream, DNSOnly: o.dnsOnly,
	}
	if len(cfg.Listen) == 0 {
		cfg.Listen = []string{o.unlessTaken(defaultListen)}
	}
	switch {
	case cfg.Gateway == "off" || cfg.Gateway == "" && o.headless:
		cfg.Gateway = ""
	case cfg.Gateway == "":
		cfg.Gateway = o.unlessTaken(defaultGateway)
	}
	return cfg, o.checkAddresses()
}

// unlessTaken gives way to another node on this computer where a person is
// there to read which port it became.
func (o *options) unlessTaken(addr string) string {
	if o.headless {
		return addr
	}
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
		return addr
	}
	host, _, _ := net.SplitHostPort(addr)
	return net.JoinHostPort(host, "0")
}

// checkAddresses finds addresses that can never work before anything starts.
func (o *options) checkAddresses() error {
	addrs := append(list{o.dns, o.metrics}, o.listen...)
	addrs = append(append(addrs, strings.Split(o.gateway, ",")...), strings.Split(o.gatewayTLS, ",")...)
	for _, addr := range append(append(addrs, o.announce...), o.bootstrap...) {
		if addr = strings.TrimSpace(addr); addr == "" || addr == "off" {
			continue
		}
		if _, hostport, found := strings.Cut(addr, "@"); found {
			addr = hostport
		}
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			return usagef("%q is not an address like 127.0.0.1:8080", addr)
		}
	}
	if host, _, _ := net.SplitHostPort(o.metrics); o.metrics != "" && os.Getenv(metricsToken) == "" {
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return usagef("-metrics %s is not on loopback: set %s to a bearer token", o.metrics, metricsToken)
		}
	}
	return nil
}

// metricsToken is the variable that holds the bearer token for -metrics.
const metricsToken = "ALTNET_METRICS_TOKEN"

// readNetworkSecret reads the 32 bytes of a closed network.
func readNetworkSecret(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := identity.ReadSecret(file)
	if err != nil {
		return nil, fmt.Errorf("read the network secret: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("%s does not hold 64 hex digits", file)
	}
	return secret, nil
}

// logger builds the log. With a prompt only warnings disturb it.
func (o *options) logger(w io.Writer) (*slog.Logger, error) {
	level := slog.LevelInfo
	if !o.headless {
		level = slog.LevelWarn
	}
	if o.logLevel != "" {
		if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
			return nil, usagef("-log-level is debug, info, warn or error, not %q", o.logLevel)
		}
	}
	switch o.logFormat {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
	}
	return nil, usagef("-log-format is text or json, not %q", o.logFormat)
}

// serve opens the control socket and the metrics.
func (o *options) serve(ctx context.Context, stop context.CancelCauseFunc, services *sync.WaitGroup, node control.Control, data string, log *slog.Logger) error {
	l, err := ipc.Listen(data)
	if err != nil {
		return err
	}
	services.Go(func() {
		stop(control.Serve(ctx, l, node, control.ServerConfig{Identify: identify(o.access), Log: log}))
	})
	if o.metrics == "" {
		return nil
	}
	m, err := net.Listen("tcp", o.metrics)
	if err != nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	var hosts []string
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, strings.ToLower(name))
	}
	handler := control.Metrics(node, control.MetricsConfig{Hosts: hosts, Token: os.Getenv(metricsToken)})
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	services.Go(func() {
		<-ctx.Done()
		srv.Close()
	})
	services.Go(func() {
		if err := srv.Serve(m); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("serve metrics: %w", err))
		}
	})
	return nil
}

// announce says where the node is to be found.
func announce(ctx context.Context, o *options, w io.Writer, node control.Control) {
	st, err := node.Status(ctx)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "AltNet %s, node %s\n", version, st.NodeID)
	fmt.Fprintf(w, "peers      %s\n", orNone(st.Listen))
	if st.Doors.Gateway != "" {
		fmt.Fprintf(w, "open       http://%s/ in your browser; a site without any set-up: %s\n", st.Doors.Gateway, secondDoor("NAME.alt", st.Doors.Gateway))
	}
	if st.Doors.PAC != "" {
		fmt.Fprintf(w, "proxy      %s as automatic proxy makes http://NAME.alt/ work\n", st.Doors.PAC)
	}
	for _, door := range []struct{ name, addr string }{{"https", st.Doors.GatewayTLS}, {"dns", st.Doors.DNS}, {"metrics", o.metrics}} {
		if door.addr != "" {
			fmt.Fprintf(w, "%-10s %s\n", door.name, door.addr)
		}
	}
	if len(o.bootstrap) == 0 {
		fmt.Fprintln(w, "No -bootstrap was given: the node knows the peers of its last run, and waits for others to come.")
	}
}

// moveKey exports or imports the node key.
func moveKey(o *options, data string, term *terminal) error {
	path := filepath.Join(first(o.keydir, filepath.Join(data, "keys")), identity.KeyFile)
	if o.exportKey != "" && o.importKey != "" {
		return usagef("-export-key and -import-key do not go together")
	}
	if o.exportKey != "" {
		return exportKey(path, o.exportKey, term)
	}
	return importKey(path, o.importKey, term)
}

func exportKey(path, dest string, term *terminal) error {
	key, err := identity.LoadKey(path)
	if err != nil {
		return err
	}
	if dest == "-" {
		_, err = term.out.Write(identity.Export(key))
		return err
	}
	if _, err := os.Lstat(dest); err == nil {
		return fmt.Errorf("%s exists, and nothing is overwritten", dest)
	}
	if err := identity.WriteSecret(dest, identity.Export(key)); err != nil {
		return err
	}
	fmt.Fprintf(term.err, "The key of node %s is in %s. Whoever has it can be this node.\n", key.ID(), dest)
	return nil
}

func importKey(path, source string, term *terminal) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("there is a node key already: move %s away first", path)
	}
	data, err := readKey(source, term)
	if err != nil {
		return err
	}
	key, err := identity.Import(data)
	if err != nil {
		return err
	}
	if err := platform.Private(filepath.Dir(path)); err != nil {
		return err
	}
	if err := identity.SaveKey(path, key); err != nil {
		return err
	}
	fmt.Fprintf(term.err, "This is node %s from now on. Run it in one place only.\n", key.ID())
	return nil
}

func readKey(source string, term *terminal) ([]byte, error) {
	if source == "-" {
		return io.ReadAll(io.LimitReader(term.in, 64<<10))
	}
	return identity.ReadSecret(source)
}
