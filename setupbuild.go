package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"altnet/engine/control"
	"altnet/platform"
	"altnet/platform/desktop"
	"altnet/platform/instance"
	"altnet/platform/journal"
	"altnet/platform/service"
	"altnet/platform/setup"
	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

// suffix is the top-level name that set-up deals with. A node may answer
// another (-tld), but no such root is ever brought into a trust store.
const suffix = "alt"

// openSetup prepares set-up for the person at the computer, for the node that
// the session reaches.
func openSetup(ctx context.Context, s *session) (*setup.Setup, error) {
	log, err := s.opts.logger(s.err)
	if err != nil {
		return nil, err
	}
	_, profile, err := s.opts.folders()
	if err != nil {
		return nil, err
	}
	st, err := s.control.Status(ctx)
	if err != nil && !errors.Is(err, control.ErrNotRunning) {
		return nil, err
	}
	of := setupOf{status: st, service: s.opts.usesService(), terminal: s.inTTY, log: log}
	of.tended = func(ctx context.Context) bool { return instance.Answers(ctx, agentDir(profile)) }
	if err == nil {
		of.node = s.control
	}
	return newSetup(ctx, of)
}

// setupOf is what set-up has to know of the program around it.
type setupOf struct {
	node     gateways       // nil: none runs
	status   control.Status // of the node; the zero value where none runs
	service  bool           // it is the installed service
	terminal bool           // a person types, who could be asked for a password there
	follows  string         // ID of the node whose place this one has taken; "" for none
	// tended reports whether somebody takes the doors back when nothing is behind
	// them any more; nil: whoever asks does.
	tended func(context.Context) bool
	log    *slog.Logger
}

// newSetup prepares set-up for the person who runs this process.
func newSetup(ctx context.Context, of setupOf) (*setup.Setup, error) {
	env := trust.Here(suffix)
	if !trust.Look(env).HomeMine {
		return nil, fmt.Errorf("the home folder %s is another user's: run altnet as that user, without sudo", env.Home)
	}
	dirs, err := platform.DefaultDirs(platform.Env{GOOS: runtime.GOOS, Getenv: os.Getenv, Home: env.Home})
	if err != nil {
		return nil, err
	}
	want := wantOf(of.status, of.service, of.gateway(ctx))
	return setup.New(setup.Config{
		Actor: setup.User, Dir: filepath.Dir(dirs.Profile), Machine: machineLayout().State, HasService: of.service, Trust: env, Log: of.log,
		Root: func() ([]byte, error) { return rootOf(of.status) },
		Decide: func(ctx context.Context) (splitdns.Decision, error) {
			if !want.Gateway.IsValid() {
				return splitdns.Decision{}, errNoGateway
			}
			if of.untended(ctx, want.Gateway) {
				return splitdns.Decision{}, errUntended
			}
			return splitdns.Decide(splitdns.Look(ctx, splitdns.System()), want), nil
		},
		Open: func(name splitdns.Name, j *journal.Journal) (splitdns.Door, error) {
			return splitdns.Open(name, splitdns.Config{Want: want, Journal: j, Prove: prover(of.node), Log: of.log})
		},
		Node: of.status.NodeID, Prove: at(want.Gateway, prover(of.node)),
		Elevate: elevate(of.terminal),
	}), nil
}

// gateways is what doors ask of a node.
type gateways interface {
	ProveGateway(ctx context.Context) ([]string, error)
}

// gateway is the address that doors lead to: of a service the one whose port an
// administrator alone may listen on, so that nobody can take its place while it
// stands still. The zero value where no gateway is open.
func (of setupOf) gateway(ctx context.Context) netip.AddrPort {
	main, _ := netip.ParseAddrPort(of.status.Doors.Gateway) // none where it is closed
	if main.Addr().IsUnspecified() {
		main = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), main.Port())
	}
	if of.node == nil || !of.service {
		return main
	}
	all, err := of.node.ProveGateway(ctx)
	if err != nil {
		return main // whoever leads there asks again, and is told why
	}
	for _, text := range all {
		if at, err := netip.ParseAddrPort(text); err == nil && at.Port() < firstFreePort {
			return at
		}
	}
	return main
}

// lasting reports whether a door may go on leading to a gateway that has ended:
// nobody can take its place.
func (of setupOf) lasting(gateway netip.AddrPort) bool {
	return of.service && gateway.IsValid() && gateway.Port() < firstFreePort
}

// untended reports whether a door to the gateway would outlast it with nobody to
// take it back: the port is anybody's then.
func (of setupOf) untended(ctx context.Context, gateway netip.AddrPort) bool {
	return of.service && !of.lasting(gateway) && of.tended != nil && !of.tended(ctx)
}

// firstFreePort is the first port that everybody may listen on.
const firstFreePort = 1024

// prover finds out through a node whether its gateway is what answers at an
// address; nil where no node runs.
func prover(node gateways) func(context.Context, netip.AddrPort) error {
	if node == nil {
		return nil
	}
	return func(ctx context.Context, at netip.AddrPort) error {
		proven, err := node.ProveGateway(ctx)
		if errors.Is(err, control.ErrImpostor) {
			return fmt.Errorf("%w: %w", splitdns.ErrImpostor, err)
		}
		if err != nil {
			return fmt.Errorf("ask the node for its gateway: %w", err)
		}
		if !slices.Contains(proven, at.String()) {
			return fmt.Errorf("%w at %s", splitdns.ErrImpostor, at)
		}
		return nil
	}
}

// at asks for the proof of one address.
func at(gateway netip.AddrPort, prove func(context.Context, netip.AddrPort) error) func(context.Context) error {
	if prove == nil {
		return nil
	}
	return func(ctx context.Context) error { return prove(ctx, gateway) }
}

// wantOf says where the doors are to lead: to the node's gateway.
func wantOf(st control.Status, service bool, gateway netip.AddrPort) splitdns.Want {
	want := splitdns.Want{Suffix: suffix, Service: service, Gateway: gateway, Answer: gateway.Addr()}
	want.DNS, _ = netip.ParseAddrPort(st.Doors.DNS)
	if pac, err := url.Parse(st.Doors.PAC); err == nil {
		want.Script = pac.Path
	}
	return want
}

// errNoGateway keeps doors from being set that would lead nowhere.
var errNoGateway = errors.New("no node runs here whose gateway is open: start AltNet first")

// errUntended keeps a door from being set that would stay when the service ends.
var errUntended = errors.New("the service has no port of its own here, so that names may lead to it only while AltNet runs on your desktop, too: start that first (altnet agent)")

var errNoRoot = errors.New("no node runs here that has a certificate: start AltNet first")

// rootOf reads the node's root certificate: from its folder, or where that is
// the service's from its gateway, whose address the node itself named.
func rootOf(st control.Status) ([]byte, error) {
	if st.Doors.CA != "" {
		if text, err := os.ReadFile(st.Doors.CA); err == nil {
			return text, nil
		}
	}
	if st.Doors.Gateway == "" {
		return nil, errNoRoot
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + st.Doors.Gateway + "/ca.pem")
	if err != nil {
		return nil, fmt.Errorf("ask the gateway for the certificate: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the gateway for the certificate: %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("ask the gateway for the certificate: %w", err)
	}
	return text, isRoot(text, st.Doors.CAFingerprint)
}

var errOtherRoot = errors.New("what answers in the gateway's place has another certificate than the node says")

// isRoot compares a certificate that anybody may have handed over with the
// fingerprint that the node itself told.
func isRoot(text []byte, fingerprint string) error {
	root, err := trust.ParseRoot(text, suffix)
	if err != nil {
		return err
	}
	if print := root.Fingerprint(); hex.EncodeToString(print[:]) != fingerprint {
		return errOtherRoot
	}
	return nil
}

// helperWord starts the elevated helper. It is set-up's to use.
const helperWord = "helper"

// elevation is how an administrator can be asked for from here.
func elevation(terminal bool) setup.Means {
	return setup.Means{GOOS: runtime.GOOS, Root: setup.Administrator(), Terminal: terminal, Display: desktop.Present(), LookPath: exec.LookPath}
}

// elevate runs the helper as an administrator.
func elevate(terminal bool) func(context.Context, setup.Request) error {
	means := elevation(terminal)
	return func(ctx context.Context, r setup.Request) error {
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		word, err := r.Encode()
		if err != nil {
			return err
		}
		prepare := func(cmd *exec.Cmd) {
			if terminal { // sudo asks there
				cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
			}
		}
		return setup.Elevate(ctx, means, prepare, program, helperWord, word)
	}
}

// machineSetup is set-up as the elevated helper has it: the machine's stores
// and journal, no node, nobody's home.
func machineSetup(log *slog.Logger) *setup.Setup {
	state := machineLayout().State
	return setup.New(setup.Config{Actor: setup.Helper, Dir: state, Machine: state, HasService: service.Installed(), Trust: trust.Here(suffix), Log: log})
}

// facts is what the doctor is told.
func (s *session) facts() setup.Facts {
	f := setup.Here(trust.Here(suffix))
	f.Node = s.node
	return f
}

// node tells the doctor of the node.
func (s *session) node(ctx context.Context) setup.Node {
	st, err := s.control.Status(ctx)
	n := setup.Node{
		Running: err == nil, Online: st.Online, Connected: st.Connected, Gateway: st.Doors.Gateway, HTTPS: st.Doors.GatewayTLS, DNS: st.Doors.DNS,
		Data: st.Data, Needs: max(0, st.Store.Budget-st.Store.Used), Built: built(),
	}
	if err != nil && !errors.Is(err, control.ErrNotRunning) {
		n.Failed = err.Error()
	}
	if n.Data == "" {
		n.Data, _, _ = s.opts.folders() // no disk is looked at where that fails
	}
	return n
}

// built is the time of the commit that this program was made from; the zero
// time where that is not known.
func built() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.time" {
			t, _ := time.Parse(time.RFC3339, setting.Value) // zero where it is malformed
			return t
		}
	}
	return time.Time{}
}
