package splitdns

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func testResponder() responder {
	return responder{suffix: "alt", answer: netip.MustParseAddr("127.83.1.7")}
}

func TestHookReplies(t *testing.T) {
	question := func(keys string) string {
		return `{"method":"io.systemd.Resolve.Hook.ResolveRecord","parameters":{"question":[` + keys + `]}}`
	}
	a := func(name string) string { return `{"key":{"class":1,"type":1,"name":"` + name + `"}}` }
	const passed = `{"parameters":{}}`
	for name, c := range map[string]struct{ call, want string }{
		"filter, kept open": {`{"method":"io.systemd.Resolve.Hook.QueryFilter","more":true}`, `{"parameters":{"filterDomains":["alt"]},"continues":true}`},
		"filter, once":      {`{"method":"io.systemd.Resolve.Hook.QueryFilter"}`, `{"parameters":{"filterDomains":["alt"]}}`},
		"a name":            {question(a("Blog.alt")), "A Blog.alt."},
		"the suffix":        {question(a("alt")), "A alt."},
		"a dot at the end":  {question(a("blog.alt.")), "A blog.alt."},
		"A and AAAA":        {question(a("blog.alt") + `,{"key":{"class":1,"type":28,"name":"blog.alt"}}`), "A blog.alt."},
		"AAAA alone":        {question(`{"key":{"class":1,"type":28,"name":"blog.alt"}}`), `{"parameters":{"rcode":0}}`},
		"HTTPS":             {question(`{"key":{"class":1,"type":65,"name":"blog.alt"}}`), `{"parameters":{"rcode":0}}`},
		"chaos":             {question(`{"key":{"class":3,"type":1,"name":"blog.alt"}}`), `{"parameters":{"rcode":0}}`},
		"other name":        {question(a("www.example.com")), passed},
		"almost ours":       {question(a("salt")), passed},
		"ours and others":   {question(a("blog.alt") + "," + a("example.com")), passed},
		"no question":       {question(""), passed},
		"long label":        {question(a(strings.Repeat("x", 64) + ".alt")), `{"parameters":{"rcode":3}}`},
		"empty label":       {question(a("a..alt")), `{"parameters":{"rcode":3}}`},
		"many questions":    {question(strings.Repeat(a("blog.alt")+",", maxQuestions) + a("blog.alt")), `{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"question"}}`},
		"wrong type":        {question(`{"key":{"class":"1"}}`), `{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"question"}}`},
		"other method":      {`{"method":"org.varlink.service.GetInfo"}`, `{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"org.varlink.service.GetInfo"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := exchange(t, c.call)
			if strings.HasPrefix(c.want, "A ") {
				got = addressOf(t, got)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// exchange sends one call over a connection and returns the reply.
func exchange(t *testing.T, request string) string {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- testResponder().serve(theirs) }()
	if _, err := ours.Write(append([]byte(request), 0)); err != nil {
		t.Fatal(err)
	}
	got, err := bufio.NewReader(ours).ReadString(0)
	if err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	if err := <-done; err != nil {
		t.Errorf("serve ended with %v", err)
	}
	return strings.TrimSuffix(got, "\x00")
}

// addressOf reads the only record of a reply.
func addressOf(t *testing.T, text string) string {
	t.Helper()
	var r struct{ Parameters resolvedReply }
	if err := json.Unmarshal([]byte(text), &r); err != nil || len(r.Parameters.Answer) != 1 || r.Parameters.RCode == nil || *r.Parameters.RCode != 0 {
		t.Fatalf("the reply is %s, %v", text, err)
	}
	raw, err := base64.StdEncoding.DecodeString(r.Parameters.Answer[0].Raw)
	if err != nil {
		t.Fatal(err)
	}
	rr, _, err := dns.UnpackRR(raw, 0)
	if err != nil {
		t.Fatal(err)
	}
	record, ok := rr.(*dns.A)
	if !ok || record.A.String() != "127.83.1.7" || record.Hdr.Ttl > 5 {
		t.Errorf("the record is %v", rr)
	}
	return "A " + rr.Header().Name
}

func TestHookConnectionsThatMisbehave(t *testing.T) {
	for name, data := range map[string]string{
		"no JSON":     "hello\x00",
		"no method":   "{}\x00",
		"cut off":     `{"method":"x"`,
		"without end": strings.Repeat("x", maxCall+1),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readCall(bufio.NewReaderSize(strings.NewReader(data), maxCall)); err == nil || err == io.EOF {
				t.Errorf("it was read: %v", err)
			}
		})
	}
	if _, err := readCall(bufio.NewReader(strings.NewReader(""))); err != io.EOF {
		t.Errorf("an end between calls is %v", err)
	}
}

func FuzzHook(f *testing.F) {
	f.Add([]byte(`{"method":"io.systemd.Resolve.Hook.ResolveRecord","parameters":{"question":[{"key":{"class":1,"type":1,"name":"a\\.b.alt"}}]}}`))
	f.Add([]byte(`{"method":"io.systemd.Resolve.Hook.QueryFilter","more":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCall(data)
		if err != nil {
			return
		}
		once, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseCall(once)
		if err != nil {
			t.Fatalf("%s does not parse again: %v", once, err)
		}
		if twice, _ := json.Marshal(again); !bytes.Equal(once, twice) {
			t.Fatalf("%s becomes %s", once, twice)
		}
		out, err := json.Marshal(testResponder().respond(c))
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > 200+6*len(data)+600*maxQuestions {
			t.Errorf("%d bytes are answered with %d", len(data), len(out))
		}
		var r struct{ Parameters resolvedReply }
		if json.Unmarshal(out, &r) == nil {
			for _, a := range r.Parameters.Answer {
				raw, err := base64.StdEncoding.DecodeString(a.Raw)
				if err != nil {
					t.Fatal(err)
				}
				rr, off, err := dns.UnpackRR(raw, 0)
				if err != nil || off != len(raw) {
					t.Fatalf("%q answers with a broken record: %v", data, err)
				}
				if name := strings.ToLower(rr.Header().Name); name != "alt." && !strings.HasSuffix(name, ".alt.") {
					t.Fatalf("%q answers for %s", data, name)
				}
			}
		}
	})
}

// TestHookDeadlines opens connections that stop at various points: only one
// that has made a call and is between calls stays open.
func TestHookDeadlines(t *testing.T) {
	const ask = `{"method":"io.systemd.Resolve.Hook.QueryFilter","more":true}` + "\x00"
	for name, c := range map[string]struct {
		say  string
		read bool
		ends bool
	}{
		"says nothing":           {"", false, true},
		"ends no call":           {`{"method":`, false, true},
		"ends no second call":    {ask + "{", true, true},
		"does not take a reply":  {ask, false, true},
		"rests after a call":     {ask, true, false},
		"rests after a few":      {ask + ask, true, false},
		"says half after a call": {ask + ask[:10], true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				ended := make(chan error, 1)
				go func() { ended <- testResponder().serve(ours) }()
				go func() {
					if c.say != "" {
						_, _ = theirs.Write([]byte(c.say))
					}
				}()
				if c.read {
					go func() { _, _ = io.Copy(io.Discard, theirs) }()
				}
				time.Sleep(10 * callTime)
				synctest.Wait()
				over := false
				select {
				case <-ended:
					over = true
				default:
				}
				if over != c.ends {
					t.Errorf("ended: %v", over)
				}
				_ = ours.Close()
				_ = theirs.Close()
			})
		})
	}
}
