package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"altnet/engine/control"
)

// options are the values of all flags.
type options struct {
	listen, announce, bootstrap  list
	network, networkSecret       string
	public, noVolunteer          bool
	gateway, gatewayTLS, caDir   string
	dns, tld, dnsIP              string
	dnsUpstream                  list
	dnsOnly                      bool
	data, keydir, profile        string
	storeBudget, perPeerBudget   size
	headless                     bool
	logLevel, logFormat, metrics string
	exportKey, importKey         string

	relay, relayListen, registrar, registrarToken string

	json, help, version, clear bool
	yes, fix, trust, noTrust   bool
	note                       string
	include, exclude           list

	access control.Access // of the control socket; the zero Access: this user's alone

	installed func() bool // whether this computer has the service; nil: ask it
	service   string      // the folder of its control socket; "": where that of this computer is

	given []string // names of the flags that were given
}

// list is a flag that may be repeated and holds commas.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// size is a number of bytes, written like 500MB or 10GB.
type size int64

// String implements flag.Value.
func (s *size) String() string { return humanize.Bytes(uint64(*s)) }

// Set implements flag.Value.
func (s *size) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<60 {
		return fmt.Errorf("not a size such as 500MB or 10GB")
	}
	*s = size(n)
	return nil
}

// flagDef is one flag: where its value goes and how it is explained.
type flagDef struct {
	name  string
	value any    // *string, *bool or a flag.Value
	arg   string // what the value is called in the help
	usage string
}

// flagGroup is what belongs together in the help.
type flagGroup struct {
	title string
	flags []flagDef
}

// groups lists every flag. Those of the first groups belong to a node, those
// of the last to the commands.
func (o *options) groups() []flagGroup {
	return []flagGroup{
		{"Peers", []flagDef{
			{"listen", &o.listen, "ADDR", "accept peers here (default 0.0.0.0:9000)"},
			{"bootstrap", &o.bootstrap, "ADDR", "join through host:port or nodeid@host:port; repeatable"},
			{"announce", &o.announce, "ADDR", "tell peers to reach this node here; repeatable"},
			{"public", &o.public, "", "a node of the public internet: never use private addresses"},
			{"network", &o.network, "NAME", "name of the network (default altnet)"},
			{"network-secret", &o.networkSecret, "FILE", "32 bytes in hex that every node of a closed network holds"},
			{"no-volunteer", &o.noVolunteer, "", "keep no other people's sites"},
		}},
		{"Browsers", []flagDef{
			{"gateway", &o.gateway, "ADDR", "http gateway and proxy (default 127.0.0.1:8080 with the prompt; off closes it)"},
			{"gateway-tls", &o.gatewayTLS, "ADDR", "https gateway"},
			{"ca-dir", &o.caDir, "DIR", "folder of the root certificate (default ca in the data folder)"},
			{"dns", &o.dns, "ADDR", "DNS server"},
			{"tld", &o.tld, "NAME", "top-level domain that it answers (default alt)"},
			{"dns-ip", &o.dnsIP, "IP", "address it answers with (default 127.0.0.1)"},
			{"dns-only", &o.dnsOnly, "", "answer for that domain alone and refuse other names: nothing else is routed here"},
			{"dns-upstream", &o.dnsUpstream, "ADDR", "where other names are asked (default: the system's servers); repeatable"},
		}},
		{"Node", []flagDef{
			{"keydir", &o.keydir, "DIR", "folder of the node key (default keys in the data folder)"},
			{"export-key", &o.exportKey, "FILE", "write the node key to FILE (- for the terminal) and end"},
			{"import-key", &o.importKey, "FILE", "take the node key from FILE (- for the input) and end"},
			{"store-budget", &o.storeBudget, "SIZE", "most disk space for sites (default 10GB)"},
			{"per-peer-budget", &o.perPeerBudget, "SIZE", "most of it for one owner (default a tenth)"},
			{"headless", &o.headless, "", "no prompt"},
			{"log-level", &o.logLevel, "LEVEL", "debug, info, warn or error (default info, warn with the prompt)"},
			{"log-format", &o.logFormat, "FORMAT", "text or json (default text)"},
			{"metrics", &o.metrics, "ADDR", "serve the status as JSON over http; elsewhere than on loopback\nALTNET_METRICS_TOKEN must hold a bearer token"},
		}},
		{"Not working yet", []flagDef{
			{"relay", &o.relay, "ADDR", "be reached through relays"},
			{"relay-listen", &o.relayListen, "ADDR", "be a relay"},
			{"registrar", &o.registrar, "ADDR", "serve the registrar API"},
			{"registrar-token", &o.registrarToken, "TOKEN", "token of the registrar API"},
		}},
		{"Node and commands", []flagDef{
			{"data", &o.data, "DIR", "the node's data folder (default ALTNET_DATA or the user's own)"},
			{"profile", &o.profile, "DIR", "folder of your site keys (default ALTNET_PROFILE or the user's own)"},
		}},
		{"Commands", []flagDef{
			{"json", &o.json, "", "print the result as JSON"},
			{"clear", &o.clear, "", "visited: forget the list"},
			{"note", &o.note, "TEXT", "publish, update: your remark on this version"},
			{"include", &o.include, "PATTERN", "publish, update: also what is left out by default; repeatable"},
			{"exclude", &o.exclude, "PATTERN", "publish, update: leave this out; repeatable"},
			{"yes", &o.yes, "", "setup, undo: ask nothing"},
			{"trust", &o.trust, "", "setup: trust this computer's certificate, for https"},
			{"no-trust", &o.noTrust, "", "setup: do not trust it"},
			{"fix", &o.fix, "", "doctor: mend what can be mended"},
			{"h", &o.help, "", "help"},
			{"help", &o.help, "", "help"},
			{"version", &o.version, "", "print the version"},
		}},
	}
}

// everywhere are the flags that go with a node and with every command.
var everywhere = []string{"data", "profile", "json", "h", "help", "version"}

// ofNode are the groups of a node's flags.
var ofNode = []string{"Peers", "Browsers", "Node", "Not working yet"}

// parse reads flags, which may stand before and after the other words.
func parse(args []string) (*options, []string, error) {
	o := &options{}
	set := flag.NewFlagSet("altnet", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, g := range o.groups() {
		for _, f := range g.flags {
			f.register(set)
		}
	}
	var words []string
	for {
		before := args
		if err := set.Parse(args); err != nil {
			return o, nil, usagef("%v", err)
		}
		args = set.Args()
		if n := len(before) - len(args); n > 0 && before[n-1] == "--" {
			words = append(words, args...)
			break
		}
		if len(args) == 0 {
			break
		}
		words, args = append(words, args[0]), args[1:]
	}
	set.Visit(func(f *flag.Flag) { o.given = append(o.given, f.Name) })
	return o, words, nil
}

func (f flagDef) register(set *flag.FlagSet) {
	switch v := f.value.(type) {
	case *string:
		set.StringVar(v, f.name, "", f.usage)
	case *bool:
		set.BoolVar(v, f.name, false, f.usage)
	case flag.Value:
		set.Var(v, f.name, f.usage)
	}
}

// checkGiven refuses flags that mean nothing to what is run: allowed are its
// own, besides those that go with everything.
func (o *options) checkGiven(what string, allowed []string) error {
	for _, name := range o.given {
		if !slices.Contains(everywhere, name) && !slices.Contains(allowed, name) {
			return usagef("-%s does not go with %s", name, what)
		}
	}
	return nil
}

// nodeFlags are the names of a node's flags.
func (o *options) nodeFlags() []string {
	var names []string
	for _, g := range o.groups() {
		if slices.Contains(ofNode, g.title) {
			for _, f := range g.flags {
				names = append(names, f.name)
			}
		}
	}
	return names
}

// checkReady refuses what is announced but does not work yet.
func (o *options) checkReady() error {
	for _, name := range []string{"relay", "relay-listen", "registrar", "registrar-token"} {
		if slices.Contains(o.given, name) {
			return usagef("-%s does not work yet in this version", name)
		}
	}
	return nil
}

// printFlags explains the flags of the given groups.
func (o *options) printFlags(w io.Writer) {
	for _, g := range o.groups() {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, f := range g.flags {
			if f.name != "h" {
				f.print(w)
			}
		}
	}
}

// printSome explains the flags of these names.
func (o *options) printSome(w io.Writer, names []string) {
	for _, g := range o.groups() {
		for _, f := range g.flags {
			if slices.Contains(names, f.name) {
				f.print(w)
			}
		}
	}
}

func (f flagDef) print(w io.Writer) {
	usage := strings.ReplaceAll(f.usage, "\n", "\n"+strings.Repeat(" ", 27))
	fmt.Fprintf(w, "  %-24s %s\n", "-"+f.name+" "+f.arg, usage)
}
