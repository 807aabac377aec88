package secure

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/flynn/noise"
)

// BenchmarkHandshake measures whole handshakes over TCP on loopback, both
// sides on this machine, one after the other. The ceiling is TLS 1.3 as Go
// does it by default, with X25519MLKEM768, and Ed25519 certificates on both
// sides; tls-classical leaves ML-KEM out.
func BenchmarkHandshake(b *testing.B) {
	b.Run("altnet", func(b *testing.B) {
		cc, sc := prepared(b, 1), prepared(b, 2)
		want := testKey(2).ID()
		benchHandshakes(b,
			func(c net.Conn) (net.Conn, error) { return Client(b.Context(), c, cc, want) },
			func(c net.Conn) (net.Conn, error) { return Server(b.Context(), c, sc) })
	})
	for name, curve := range map[string]tls.CurveID{"ceiling": tls.X25519MLKEM768, "tls-classical": tls.X25519} {
		b.Run(name, func(b *testing.B) {
			cc, sc := tlsConfigs(b, curve)
			benchHandshakes(b,
				func(c net.Conn) (net.Conn, error) { t := tls.Client(c, cc); return t, t.Handshake() },
				func(c net.Conn) (net.Conn, error) { t := tls.Server(c, sc); return t, t.Handshake() })
		})
	}
}

func prepared(b *testing.B, n byte) Config {
	c := testConfig(n)
	var err error
	if c.Credentials, err = NewCredentials(c.Key, c.Puzzle, c.NetworkID); err != nil {
		b.Fatal(err)
	}
	return c
}

// benchHandshakes dials, shakes hands and sends one byte back, so that both
// sides have finished.
func benchHandshakes(b *testing.B, client, server func(net.Conn) (net.Conn, error)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			if c, err := server(raw); err == nil {
				_, _ = c.Write([]byte{1})
			}
			_ = raw.Close()
		}
	}()
	for b.Loop() {
		raw, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c, err := client(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		_ = raw.Close()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
}

func tlsConfigs(b *testing.B, curve tls.CurveID) (client, server *tls.Config) {
	cert := func(n byte) tls.Certificate {
		seed := testKey(n).Seed()
		key := ed25519.NewKeyFromSeed(seed[:])
		t := &x509.Certificate{
			SerialNumber: big.NewInt(1), DNSNames: []string{"peer"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: true, BasicConstraintsValid: true,
		}
		der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
		if err != nil {
			b.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	config := func(own tls.Certificate, peer []byte) *tls.Config {
		parsed, err := x509.ParseCertificate(peer)
		if err != nil {
			b.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(parsed)
		return &tls.Config{
			MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{curve}, SessionTicketsDisabled: true,
			Certificates: []tls.Certificate{own}, RootCAs: pool, ClientCAs: pool,
			ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "peer",
		}
	}
	one, two := cert(1), cert(2)
	return config(one, two.Certificate[0]), config(two, one.Certificate[0])
}

// BenchmarkStream measures one direction of a connection over TCP on loopback
// in writes of 256 KiB. The ceiling is the barest loop of Noise records of
// 64 KiB: encrypt, write, read, decrypt.
func BenchmarkStream(b *testing.B) {
	b.Run("altnet", func(b *testing.B) {
		c, s := connected(b)
		benchStream(b, c, s)
	})
	b.Run("ceiling", func(b *testing.B) {
		c, s := loopback(b)
		k := [32]byte{1}
		suite := noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)
		benchStream(b,
			&bareRecords{c, noise.UnsafeNewCipherState(suite, k, 0), make([]byte, recordSize), nil},
			&bareRecords{s, noise.UnsafeNewCipherState(suite, k, 0), make([]byte, recordSize), nil})
	})
}

func benchStream(b *testing.B, w io.Writer, r io.Reader) {
	data := make([]byte, 256<<10)
	b.SetBytes(int64(len(data)))
	done := make(chan error, 1)
	total := make(chan int, 1)
	go func() {
		buf, got, want := make([]byte, 256<<10), 0, -1
		for want < 0 || got < want {
			n, err := r.Read(buf)
			if err != nil {
				done <- err
				return
			}
			got += n
			if buf[n-1] == 1 { // the last write ends in 1
				want = <-total
			}
		}
		done <- nil
	}()
	written := 0
	for b.Loop() {
		if _, err := w.Write(data); err != nil {
			b.Fatal(err)
		}
		written += len(data)
	}
	data[len(data)-1] = 1
	if _, err := w.Write(data); err != nil {
		b.Fatal(err)
	}
	total <- written + len(data)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// bareRecords is the ceiling: nothing but what records cost.
type bareRecords struct {
	net.Conn
	cipher *noise.CipherState
	buf    []byte
	plain  []byte
}

func (r *bareRecords) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part := p[:min(len(p), maxPlaintext)]
		p = p[len(part):]
		frame, err := r.cipher.Encrypt(r.buf[:headSize], nil, part)
		if err != nil {
			return 0, err
		}
		binary.BigEndian.PutUint16(frame, uint16(len(frame)-headSize))
		if _, err := r.Conn.Write(frame); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (r *bareRecords) Read(p []byte) (int, error) {
	if _, err := io.ReadFull(r.Conn, r.buf[:headSize]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint16(r.buf)
	if _, err := io.ReadFull(r.Conn, r.buf[:n]); err != nil {
		return 0, err
	}
	plain, err := r.cipher.Decrypt(p[:0], nil, r.buf[:n])
	return len(plain), err
}

var _ net.Conn = (*Conn)(nil)

// BenchmarkAdmit measures what a refused or admitted connection costs before
// its handshake.
func BenchmarkAdmit(b *testing.B) {
	a := NewAdmission(AdmissionConfig{})
	addr := publicAddr(1)
	for b.Loop() {
		if release, ok := a.Admit(addr); ok {
			release()
		}
	}

}
