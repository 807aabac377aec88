package splitdns

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"altnet/platform/journal"
)

// Config is what doors are made of.
type Config struct {
	Want    Want
	Journal *journal.Journal // opened with Undoers and Surgeons
	Run     Run              // nil: programs of this computer
	Lookup  Lookup           // nil: as programs of this computer do
	// Prove finds out whether our gateway is what answers at an address, with
	// ErrImpostor where something else does; nil: whoever answers is believed.
	Prove func(context.Context, netip.AddrPort) error
	Log   *slog.Logger // nil: nothing is logged
}

// Run runs a program and returns what it wrote to its output.
type Run func(ctx context.Context, program string, args ...string) ([]byte, error)

// Lookup asks the system for the IPv4 addresses of a name.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

func (c Config) withDefaults() Config {
	if c.Run == nil {
		c.Run = Exec
	}
	if c.Lookup == nil {
		c.Lookup = systemLookup
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Want.Suffix = cmp.Or(c.Want.Suffix, "alt")
	return c
}

// Exec is the Run of this computer. It ends a program after half a minute.
func Exec(ctx context.Context, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.WaitDelay = time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(errs.String()))
	}
	return out, nil
}

// systemLookup asks as most programs do: through getent where there is a C
// library with modules for names, else through the functions of the system.
func systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	path, err := exec.LookPath("getent")
	if err != nil {
		return net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	}
	out, err := Exec(ctx, path, "ahostsv4", host)
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for line := range strings.Lines(string(out)) {
		if addr, err := netip.ParseAddr(strings.SplitN(line, " ", 2)[0]); err == nil && !slices.Contains(found, addr) {
			found = append(found, addr)
		}
	}
	return found, nil
}

// verifyName looks up a name that nobody has asked for before, so that no cache
// can answer, and wants the gateway's address.
func (c Config) verifyName(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host := "check-" + strings.ToLower(rand.Text()[:12]) + "." + c.Want.Suffix
	found, err := c.Lookup(ctx, host)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	if !slices.ContainsFunc(found, func(a netip.Addr) bool { return a.Unmap() == c.Want.Answer }) {
		return fmt.Errorf("%w: %s leads to %v instead of %v", ErrClosed, host, found, c.Want.Answer)
	}
	return c.prove(ctx, netip.AddrPortFrom(c.Want.Answer, 80)) // where browsers go then
}

// prove fails with ErrClosed unless our gateway is what answers at an address.
func (c Config) prove(ctx context.Context, at netip.AddrPort) error {
	if c.Prove == nil {
		return nil
	}
	err := c.Prove(ctx, at)
	if err == nil || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

// undo takes back what a door has in the journal.
func (c Config) undo(ctx context.Context, door Name) error {
	_, err := c.Journal.Undo(ctx, string(door))
	return err
}
