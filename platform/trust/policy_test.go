package trust

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const ourCert = "/etc/firefox/policies/altnet-1.pem"

func TestPolicyIsMerged(t *testing.T) {
	for _, tt := range []struct{ name, now, want string }{
		{"no file", "", "{\n  \"policies\": {\n    \"Certificates\": {\n      \"Install\": [\n        \"" + ourCert + "\"\n      ]\n    }\n  }\n}\n"},
		{"somebody's list", `{"policies":{"Certificates":{"Install":["a.pem"]},"X":1}}`,
			`{"policies":{"Certificates":{"Install":[` + "\n        \"" + ourCert + `","a.pem"]},"X":1}}`},
		{"ours already", `{"policies":{"Certificates":{"Install":["` + ourCert + `"]}}}`, `{"policies":{"Certificates":{"Install":["` + ourCert + `"]}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := addPolicy([]byte(tt.now), ourCert)
			if err != nil || string(got) != tt.want {
				t.Errorf("%v\n%s\nwant\n%s", err, got, tt.want)
			}
		})
	}
	for _, bad := range []string{`[]`, `{"policies":1}`, `{"policies":{"Certificates":{"Install":"x"}}}`, `{} {}`, `{`} {
		if _, _, err := addPolicy([]byte(bad), ourCert); err == nil {
			t.Errorf("%s was changed", bad)
		}
	}
}

// What is cut out again leaves every byte of somebody else's, whatever they
// had and whatever they added meanwhile.
func TestPolicyIsCutOut(t *testing.T) {
	for _, now := range []string{
		`{}`, `{ "policies": {} }`, `{"policies":{"DisableTelemetry":true}}`, "{\n\t\"policies\": {\n\t\t\"Certificates\": {\n\t\t\t\"ImportEnterpriseRoots\": true\n\t\t}\n\t}\n}\n",
		`{"policies":{"Certificates":{"Install":["a.pem", "b.pem"]},"X":1}}`, `{"x":[1,{"y":"z"}],"policies":{"Certificates":{"Install":["a.pem"]}}}`,
	} {
		added, made, err := addPolicy([]byte(now), ourCert)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := cutPolicy(added, note(entry{ourCert, made}))
		if err != nil || !sameJSON(t, rest, []byte(now)) {
			t.Errorf("%v\n%s\nwas\n%s", err, rest, now)
		}
	}
	added, made, err := addPolicy(nil, ourCert)
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := cutPolicy(added, note(entry{ourCert, made})); err != nil || len(rest) != 0 {
		t.Errorf("%v: a file of ours alone leaves %q", err, rest)
	}
	edited := bytes.Replace(added, []byte(`"policies": {`), []byte(`"policies": {"DisableTelemetry": true,`), 1)
	if rest, err := cutPolicy(edited, note(entry{ourCert, made})); err != nil || !sameJSON(t, rest, []byte(`{"policies":{"DisableTelemetry":true}}`)) {
		t.Errorf("%v: %s", err, rest)
	}
	for _, gone := range []string{`{}`, `not JSON`, `{"policies":{"Certificates":{"Install":["other"]}}}`, ``} {
		if rest, err := cutPolicy([]byte(gone), note(entry{ourCert, 0})); err != nil || string(rest) != gone {
			t.Errorf("%q became %q (%v)", gone, rest, err)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y bytes.Buffer
	if err := json.Compact(&x, a); err != nil {
		t.Errorf("%q: %v", a, err)
	}
	if err := json.Compact(&y, b); err != nil {
		t.Fatal(err)
	}
	return x.String() == y.String()
}

// FuzzPolicy: what was added can be cut out again, and the rest means the same.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"policies":{"Certificates":{"Install":["a",2,{}]}},"x":[]}`)
	f.Add(`{"policies":{"policies":{}},"policies":{"Certificates":{}}}`)
	f.Fuzz(func(t *testing.T, now string) {
		if strings.TrimSpace(now) == "" || strings.Contains(now, ourCert) {
			return
		}
		added, made, err := addPolicy([]byte(now), ourCert)
		if err != nil {
			return
		}
		top, err := parseSpans(added)
		if err != nil || !slices.ContainsFunc(listOf(top), func(s span) bool { return s.text == ourCert }) {
			t.Fatalf("%q became %q: %v", now, added, err)
		}
		rest, err := cutPolicy(added, note(entry{ourCert, made}))
		if err != nil || !sameJSON(t, rest, []byte(now)) {
			t.Errorf("%q came back as %q: %v", now, rest, err)
		}
	})
}
