package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"altnet/platform/journal"
	"altnet/platform/setup"
)

func TestServiceFlagsAreThoseGiven(t *testing.T) {
	o, words, err := parse([]string{"service", "install", "-network", "a b", "-bootstrap", "h:1", "-bootstrap", "h:2", "-store-budget", "2GiB", "-no-volunteer", "-json"})
	if err != nil || !slices.Equal(words, []string{"service", "install"}) {
		t.Fatal(words, err)
	}
	got := o.serviceFlags()
	want := []string{"-bootstrap", "h:1,h:2", "-network", "a b", "-no-volunteer=true", "-store-budget", "2147483648B"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	again, _, err := parse(append([]string{"service", "run"}, got...))
	if err != nil || again.network != "a b" || again.storeBudget != 2<<30 || !again.noVolunteer || len(again.bootstrap) != 2 {
		t.Errorf("the service would read them as %+v, %v", again, err)
	}
}

func TestInvokerIsThePersonBehindSudo(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"SUDO_UID": "1000"}, "1000"},
		{map[string]string{"PKEXEC_UID": "1001"}, "1001"},
		{map[string]string{"SUDO_UID": "0", "ALTNET_OPERATOR": "7"}, "7"},
	} {
		if got := invoker(func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("%v: got %q", test.env, got)
		}
	}
}

func TestUninstallSaysWhatBecomesOfTheCertificate(t *testing.T) {
	for _, c := range []struct {
		failed    error
		out, errs string
	}{
		{nil, "removed   the certificate", ""},
		{errors.New("read-only"), "altnet undo", "read-only"},
	} {
		var out, errs bytes.Buffer
		s := &session{terminal: &terminal{out: &out, err: &errs}, opts: &options{}}
		if err := s.sayUninstalled([]setup.Undone{{What: "the certificate", Result: journal.Removed}}, c.failed); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) || (c.errs == "") != (errs.Len() == 0) {
			t.Errorf("%q, %q", out.String(), errs.String())
		}
	}
}
