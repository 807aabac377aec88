//go:build ignore

// Draw makes the program's icons: go run packaging/icon/draw.go DIR
//
// Three peers, joined: the sign of the tray, on a dark tile. It writes
// altnet-SIZE.png, altnet.ico for Windows and altnet.icns for macOS.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"math"
	"os"
	"path/filepath"
)

// shape is the distance to an edge, below 0 inside; the picture goes from -1
// to 1 both ways.
type shape func(x, y float64) float64

func disc(cx, cy, r float64) shape {
	return func(x, y float64) float64 { return math.Hypot(x-cx, y-cy) - r }
}

func bar(x0, y0, x1, y1, width float64) shape {
	return func(x, y float64) float64 {
		dx, dy := x1-x0, y1-y0
		t := math.Max(0, math.Min(1, ((x-x0)*dx+(y-y0)*dy)/(dx*dx+dy*dy)))
		return math.Hypot(x-x0-t*dx, y-y0-t*dy) - width/2
	}
}

func tile(x, y float64) float64 {
	const half, corner = 0.92, 0.36
	dx, dy := math.Abs(x)-half+corner, math.Abs(y)-half+corner
	return math.Hypot(math.Max(dx, 0), math.Max(dy, 0)) + math.Min(math.Max(dx, dy), 0) - corner
}

func sign() (edges, peers shape) {
	var lines, dots []shape
	at := func(i int) (float64, float64) {
		a := 2 * math.Pi * float64(i) / 3
		return 0.5 * math.Sin(a), -0.5*math.Cos(a) + 0.08
	}
	for i := range 3 {
		x0, y0 := at(i)
		x1, y1 := at((i + 1) % 3)
		lines, dots = append(lines, bar(x0, y0, x1, y1, 0.1)), append(dots, disc(x0, y0, 0.22))
	}
	nearest := func(all []shape) shape {
		return func(x, y float64) float64 {
			d := math.Inf(1)
			for _, s := range all {
				d = math.Min(d, s(x, y))
			}
			return d
		}
	}
	return nearest(lines), nearest(dots)
}

// cover is how much of a pixel a shape covers.
func cover(d, pixel float64) float64 { return math.Max(0, math.Min(1, 0.5-d/pixel)) }

func draw(size int) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	edges, peers := sign()
	pixel := 2 / float64(size)
	for py := range size {
		for px := range size {
			x, y := (float64(px)+0.5)*pixel-1, (float64(py)+0.5)*pixel-1
			c := [3]float64{0x14, 0x2b, 0x3c}
			for _, layer := range []struct {
				shape
				rgb [3]float64
			}{{edges, [3]float64{0x5f, 0xb8, 0xa8}}, {peers, [3]float64{0xf4, 0xf7, 0xf5}}} {
				a := cover(layer.shape(x, y), pixel)
				for i := range c {
					c[i] += (layer.rgb[i] - c[i]) * a
				}
			}
			img.SetNRGBA(px, py, color.NRGBA{uint8(c[0]), uint8(c[1]), uint8(c[2]), uint8(255 * cover(tile(x, y), pixel))})
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		log.Fatal(err)
	}
	return out.Bytes()
}

// ico holds PNG pictures, which every Windows since Vista reads.
func ico(sizes ...int) []byte {
	var dir, data bytes.Buffer
	binary.Write(&dir, binary.LittleEndian, [3]uint16{0, 1, uint16(len(sizes))})
	for _, size := range sizes {
		picture := draw(size)
		dir.Write([]byte{byte(size), byte(size), 0, 0, 1, 0, 32, 0}) // 256 is written as 0
		binary.Write(&dir, binary.LittleEndian, [2]uint32{uint32(len(picture)), uint32(6 + 16*len(sizes) + data.Len())})
		data.Write(picture)
	}
	return append(dir.Bytes(), data.Bytes()...)
}

func icns() []byte {
	var data bytes.Buffer
	for _, p := range []struct {
		kind string
		size int
	}{{"icp4", 16}, {"icp5", 32}, {"ic07", 128}, {"ic08", 256}, {"ic09", 512}} {
		picture := draw(p.size)
		data.WriteString(p.kind)
		binary.Write(&data, binary.BigEndian, uint32(8+len(picture)))
		data.Write(picture)
	}
	head := binary.BigEndian.AppendUint32([]byte("icns"), uint32(8+data.Len()))
	return append(head, data.Bytes()...)
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("use: draw DIR")
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), data, 0o644); err != nil {
			log.Fatal(err)
		}
	}
	for _, size := range []int{16, 24, 32, 48, 64, 128, 256, 512} {
		write(fmt.Sprintf("altnet-%d.png", size), draw(size))
	}
	write("altnet.ico", ico(16, 20, 24, 32, 48, 256))
	write("altnet.icns", icns())
}
