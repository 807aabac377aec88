package main

import (
	"encoding/xml"
	"os"
	"testing"

	"altnet/assets"
	"altnet/platform/desktop"
)

// policy is what polkit is told about our question.
type policy struct {
	Actions []struct {
		ID       string `xml:"id,attr"`
		Messages []struct {
			Lang string `xml:"lang,attr"`
			Text string `xml:",chardata"`
		} `xml:"message"`
		Defaults struct {
			Any      string `xml:"allow_any"`
			Inactive string `xml:"allow_inactive"`
			Active   string `xml:"allow_active"`
		} `xml:"defaults"`
	} `xml:"action"`
}

// The package's policy is about the action that the program asks for, in the
// words of the window, and is answered by one's own password alone.
func TestPolkitPolicy(t *testing.T) {
	data, err := os.ReadFile("packaging/linux/org.altnet.AltNet.policy")
	if err != nil {
		t.Fatal(err)
	}
	var p policy
	if err := xml.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Actions) != 1 || p.Actions[0].ID != desktop.PolkitAction {
		t.Fatalf("the policy is about %+v, the program asks for %s", p.Actions, desktop.PolkitAction)
	}
	a := p.Actions[0]
	if d := a.Defaults; d.Any != "auth_self" || d.Inactive != "auth_self" || d.Active != "auth_self" {
		t.Errorf("allowed by %+v", d)
	}
	catalog, err := assets.OpenUI()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, m := range a.Messages {
		said[m.Lang] = m.Text
	}
	for lang, inFile := range map[string]string{"en": "", "de": "de"} {
		if want := catalog.For(lang).Get("phrase.reason"); said[inFile] != want {
			t.Errorf("%s: polkit says %q, the window %q", lang, said[inFile], want)
		}
	}
}
