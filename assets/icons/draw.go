//go:build ignore

// Draw makes the tray's icons: go run draw.go
//
// Three peers on a ring. The state is told by shape as well as by colour:
// filled and joined online, hollow offline, half a ring while working, a
// bang in the middle where attention is needed.
package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"log"
	"math"
	"os"
)

type shape func(x, y float64) float64 // distance to the edge, below 0 inside

func circle(cx, cy, r float64) shape {
	return func(x, y float64) float64 { return math.Hypot(x-cx, y-cy) - r }
}

func ring(r, width, from, to float64) shape { // angles in turns, clockwise from above
	return func(x, y float64) float64 {
		turn := math.Mod(math.Atan2(x, -y)/(2*math.Pi)+1, 1)
		if turn < from || turn > to {
			return 1
		}
		return math.Abs(math.Hypot(x, y)-r) - width/2
	}
}

func bar(x0, y0, x1, y1, width float64) shape {
	return func(x, y float64) float64 {
		dx, dy := x1-x0, y1-y0
		t := math.Max(0, math.Min(1, ((x-x0)*dx+(y-y0)*dy)/(dx*dx+dy*dy)))
		return math.Hypot(x-x0-t*dx, y-y0-t*dy) - width/2
	}
}

func join(shapes ...shape) shape {
	return func(x, y float64) float64 {
		d := math.Inf(1)
		for _, s := range shapes {
			d = math.Min(d, s(x, y))
		}
		return d
	}
}

func without(s, hole shape) shape {
	return func(x, y float64) float64 { return math.Max(s(x, y), -hole(x, y)) }
}

const peers, radius = 3, 0.68

func at(i int) (x, y float64) {
	a := 2 * math.Pi * float64(i) / peers
	return radius * math.Sin(a), -radius*math.Cos(a) + 0.08
}

func nodes(r float64) shape {
	var all []shape
	for i := range peers {
		x, y := at(i)
		all = append(all, circle(x, y, r))
	}
	return join(all...)
}

func edges(width float64) shape {
	var all []shape
	for i := range peers {
		x0, y0 := at(i)
		x1, y1 := at((i + 1) % peers)
		all = append(all, bar(x0, y0, x1, y1, width))
	}
	return join(all...)
}

type layer struct {
	shape shape
	color color.NRGBA
}

var (
	teal  = color.NRGBA{0x16, 0x9c, 0x8a, 0xff}
	grey  = color.NRGBA{0x8a, 0x90, 0x99, 0xff}
	blue  = color.NRGBA{0x2f, 0x7d, 0xe1, 0xff}
	amber = color.NRGBA{0xf0, 0x9a, 0x1a, 0xff}
	dark  = color.NRGBA{0x24, 0x1a, 0x06, 0xff}
)

func pictures() map[string][]layer {
	mesh := join(nodes(0.27), edges(0.15))
	hollow := without(join(nodes(0.27), edges(0.11)), nodes(0.14))
	return map[string][]layer{
		"online":    {{mesh, teal}},
		"offline":   {{hollow, grey}},
		"working":   {{hollow, blue}, {nodes(0.14), blue}, {ring(0.22, 0.16, 0, 0.7), blue}},
		"attention": {{mesh, grey}, {circle(0, 0.16, 0.56), amber}, {join(bar(0, -0.14, 0, 0.2, 0.15), circle(0, 0.45, 0.09)), dark}},
	}
}

func draw(layers []layer, size int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	const sub = 6
	for py := range size {
		for px := range size {
			var r, g, b, a float64
			for i := range sub * sub {
				x := (float64(px)+(float64(i%sub)+.5)/sub)/float64(size)*2 - 1
				y := (float64(py)+(float64(i/sub)+.5)/sub)/float64(size)*2 - 1
				for k := len(layers) - 1; k >= 0; k-- {
					if layers[k].shape(x, y) < 0 {
						c := layers[k].color
						r, g, b, a = r+float64(c.R), g+float64(c.G), b+float64(c.B), a+1
						break
					}
				}
			}
			if a > 0 {
				img.SetNRGBA(px, py, color.NRGBA{uint8(r / a), uint8(g / a), uint8(b / a), uint8(a * 255 / (sub * sub))})
			}
		}
	}
	return img
}

func encode(img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}

// ico holds PNGs, which Windows reads since Vista.
func ico(layers []layer) []byte {
	sizes := []int{16, 20, 24, 32, 48}
	var head, body bytes.Buffer
	binary.Write(&head, binary.LittleEndian, []uint16{0, 1, uint16(len(sizes))})
	for _, s := range sizes {
		data := encode(draw(layers, s))
		offset := 6 + 16*len(sizes) + body.Len()
		head.Write([]byte{byte(s), byte(s), 0, 0})
		binary.Write(&head, binary.LittleEndian, []uint16{1, 32})
		binary.Write(&head, binary.LittleEndian, []uint32{uint32(len(data)), uint32(offset)})
		body.Write(data)
	}
	return append(head.Bytes(), body.Bytes()...)
}

func main() {
	for name, layers := range pictures() {
		for file, data := range map[string][]byte{
			"tray-" + name + ".png": encode(draw(layers, 64)),
			"tray-" + name + ".ico": ico(layers),
		} {
			if err := os.WriteFile(file, data, 0o644); err != nil {
				log.Fatal(err)
			}
		}
	}
}
