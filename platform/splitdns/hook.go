package splitdns

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// A resolve hook is a Varlink service: JSON objects, each ended by a zero byte,
// over a unix socket. systemd-resolved asks QueryFilter once and keeps that call
// open; afterwards it asks ResolveRecord for names that the filter lets through.
// Until it has the filter it may ask for any name: those are passed on, and
// nothing remembers them.

const (
	filterMethod  = "io.systemd.Resolve.Hook.QueryFilter"
	resolveMethod = "io.systemd.Resolve.Hook.ResolveRecord"
	maxCall       = 64 << 10 // bytes of one call: a few names of 255 each
	maxQuestions  = 16
	answerTTL     = 5 // seconds
	// callTime is how long a connection may take to make its first call, to
	// end one that it began, and to take the reply. Between calls it may rest:
	// systemd-resolved keeps connections open.
	callTime = 30 * time.Second
)

// call is a Varlink call.
type call struct {
	Method     string          `json:"method"`
	Parameters json.RawMessage `json:"parameters,omitempty"`
	More       bool            `json:"more,omitempty"`
	OneWay     bool            `json:"oneway,omitempty"`
}

type reply struct {
	Error      string `json:"error,omitempty"`
	Parameters any    `json:"parameters"`
	Continues  bool   `json:"continues,omitempty"`
}

type recordKey struct {
	Class uint16 `json:"class"`
	Type  uint16 `json:"type"`
	Name  string `json:"name"`
}

type resolveQuestion struct {
	Key recordKey `json:"key"`
}

type resolveAnswer struct {
	Raw string `json:"raw"`
}

// resolved is the reply to ResolveRecord: no rcode passes the question on.
type resolvedReply struct {
	RCode  *int            `json:"rcode,omitempty"`
	Answer []resolveAnswer `json:"answer,omitempty"`
}

// nextCall reads one call in its time.
func nextCall(conn net.Conn, r *bufio.Reader, first bool) (call, error) {
	var idle time.Time // for ever
	if first {
		idle = time.Now().Add(callTime)
	}
	_ = conn.SetDeadline(idle) // fails where the connection has ended, as reading does then
	if _, err := r.Peek(1); err != nil {
		return call{}, err
	}
	_ = conn.SetDeadline(time.Now().Add(callTime))
	return readCall(r)
}

// readCall reads one call; io.EOF where the other side ended.
func readCall(r *bufio.Reader) (call, error) {
	data, err := r.ReadSlice(0)
	if errors.Is(err, bufio.ErrBufferFull) {
		return call{}, fmt.Errorf("a call is longer than %d bytes", maxCall)
	}
	if err != nil {
		if len(data) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return call{}, err
	}
	return parseCall(data[:len(data)-1])
}

func parseCall(data []byte) (call, error) {
	var c call
	if err := json.Unmarshal(data, &c); err != nil {
		return call{}, fmt.Errorf("parse a call: %w", err)
	}
	if c.Method == "" {
		return call{}, errors.New("parse a call: it has no method")
	}
	return c, nil
}

// responder answers calls for one suffix.
type responder struct {
	suffix string
	answer netip.Addr
}

// serve answers the calls of one connection until it ends.
func (h responder) serve(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, maxCall)
	for first := true; ; first = false {
		c, err := nextCall(conn, r, first)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := json.Marshal(h.respond(c))
		if err != nil {
			return err
		}
		if c.OneWay {
			continue
		}
		if _, err := conn.Write(append(data, 0)); err != nil {
			return err
		}
	}
}

func (h responder) respond(c call) reply {
	switch c.Method {
	case filterMethod:
		return reply{Parameters: map[string]any{"filterDomains": []string{h.suffix}}, Continues: c.More}
	case resolveMethod:
		return h.resolve(c.Parameters)
	}
	return reply{Error: "org.varlink.service.MethodNotFound", Parameters: map[string]string{"method": c.Method}}
}

func (h responder) resolve(parameters json.RawMessage) reply {
	var p struct {
		Question []resolveQuestion `json:"question"`
	}
	if json.Unmarshal(parameters, &p) != nil || len(p.Question) > maxQuestions {
		return reply{Error: "org.varlink.service.InvalidParameter", Parameters: map[string]string{"parameter": "question"}}
	}
	pass := reply{Parameters: resolvedReply{}}
	var answers []resolveAnswer
	for _, q := range p.Question {
		if !h.covers(q.Key.Name) {
			return pass
		}
		raw, err := h.record(q.Key)
		if err != nil {
			return answered(dns.RcodeNameError, nil)
		}
		if raw != nil {
			answers = append(answers, resolveAnswer{Raw: base64.StdEncoding.EncodeToString(raw)})
		}
	}
	if len(p.Question) == 0 {
		return pass
	}
	return answered(dns.RcodeSuccess, answers)
}

func answered(rcode int, answers []resolveAnswer) reply {
	return reply{Parameters: resolvedReply{RCode: &rcode, Answer: answers}}
}

// covers reports whether a name is the suffix or below it.
func (h responder) covers(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == h.suffix || strings.HasSuffix(name, "."+h.suffix)
}

// record returns the record for a key in wire format, nil where there is none:
// a name has an IPv4 address and nothing else.
func (h responder) record(key recordKey) ([]byte, error) {
	name := dns.Fqdn(key.Name)
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, errors.New("no domain name")
	}
	in := key.Class == dns.ClassINET || key.Class == dns.ClassANY
	if !in || key.Type != dns.TypeA && key.Type != dns.TypeANY {
		return nil, nil
	}
	rr := &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: answerTTL}, A: h.answer.AsSlice()}
	buf := make([]byte, dns.Len(rr)+1)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(buf[:n]), nil
}
