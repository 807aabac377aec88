package gateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"altnet/engine/site"
	"altnet/engine/wire"
)

// sections serves blocks from a file on disk, as the store does, except odd ones.
func sections(t testing.TB, blocks *mem, odd func(wire.Hash) bool) func(wire.Hash) (*os.File, int64, int64, error) {
	pack := filepath.Join(t.TempDir(), "pack")
	var all bytes.Buffer
	at := map[wire.Hash]int64{}
	for h, data := range blocks.blocks {
		all.WriteString("header")
		at[h] = int64(all.Len())
		all.Write(data)
	}
	if err := os.WriteFile(pack, all.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(h wire.Hash) (*os.File, int64, int64, error) {
		if odd(h) {
			return nil, 0, 0, os.ErrNotExist
		}
		f, err := os.Open(pack)
		return f, at[h], int64(len(blocks.blocks[h])), err
	}
}

func TestSections(t *testing.T) {
	big := make([]byte, 5*site.ChunkSize+777)
	for i := range big {
		big[i] = byte(i>>8) ^ byte(i)*7
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "film.mp4"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page.html"), append([]byte("<p>"), big...), 0o600); err != nil {
		t.Fatal(err)
	}
	fsys, blocks := build(t, dir)
	for name, odd := range map[string]func(wire.Hash) bool{
		"all": func(wire.Hash) bool { return false }, "none": func(wire.Hash) bool { return true },
		"some": func(h wire.Hash) bool { return h[0]%2 == 0 },
	} {
		section := sections(t, blocks, odd)
		_, addr := startGateway(t, Config{
			Resolve: func(context.Context, string) (Site, error) { return Site{Name: "pg.alt", FS: fsys}, nil },
			Section: section,
		})
		fetch := func(path, ranges string) []byte {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+path, nil)
			r.Host = "pg.alt"
			if ranges != "" {
				r.Header.Set("Range", "bytes="+ranges)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			data, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		if !bytes.Equal(fetch("/film.mp4", ""), big) {
			t.Errorf("%s: the film differs", name)
		}
		if got := fetch("/page.html", ""); !bytes.Equal(got[3:], big) {
			t.Errorf("%s: the page differs", name)
		}
		if got := fetch("/film.mp4", "262100-1000000"); !bytes.Equal(got, big[262100:1000001]) {
			t.Errorf("%s: the range differs", name)
		}
		if got := fetch("/film.mp4", "0-1,262143-262145"); !bytes.Contains(got, big[262143:262146]) {
			t.Errorf("%s: the ranges differ", name)
		}
	}
}

// A CONNECT with a body means one thing to whoever counts the body and another
// to whoever takes it for the tunnel's first bytes. A body that never comes
// holds up nobody.
func TestBodies(t *testing.T) {
	_, addr := startGateway(t, troubles())
	for head, want := range map[string]int{
		"CONNECT fine.alt:80 HTTP/1.1\r\nContent-Length: 200": 403, "CONNECT fine.alt:80 HTTP/1.1\r\nTransfer-Encoding: chunked": 403,
		"GET / HTTP/1.1\r\nContent-Length: 200": 200, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked": 405,
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\r\nHost: fine.alt:80\r\n\r\nGET / HTTP/1.1\r\nHost: fine.alt\r\n\r\n", head)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: %v %v", head, resp, err)
		}
	}
}
