//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"slices"
	"testing"
)

// Who reads pictures of text wants it dark on light: this makes a picture of a
// display so.

// screenshot reads a picture in the format ppm, of 8 bits a colour.
func screenshot(ppm []byte) (*image.RGBA, error) {
	var wide, high, most int
	if _, err := fmt.Sscanf(string(ppm[:min(len(ppm), 64)]), "P6\n%d %d\n%d\n", &wide, &high, &most); err != nil {
		return nil, fmt.Errorf("no picture in the format ppm: %w", err)
	}
	pixels := ppm[max(0, len(ppm)-3*wide*high):]
	if most != 255 || len(pixels) != 3*wide*high || wide*high == 0 {
		return nil, errors.New("not the whole picture")
	}
	shot := image.NewRGBA(image.Rect(0, 0, wide, high))
	for i := range wide * high {
		copy(shot.Pix[4*i:], append(pixels[3*i:3*i+3:3*i+3], 255))
	}
	return shot, nil
}

// strong is the most of its least part that a strong colour has.
const strong = 100

// legible is a picture in grey with all of its text dark on light: that on
// buttons, which are colourful, is light.
func legible(shot *image.RGBA) *image.Gray {
	out := image.NewGray(shot.Rect)
	for i := range out.Pix {
		p := shot.Pix[4*i : 4*i+3]
		const black, white = 64, 216 // what is darker or lighter needs no telling apart
		grey := (int(p[0])*3 + int(p[1])*6 + int(p[2])) / 10
		out.Pix[i] = byte(min(max(grey-black, 0)*255/(white-black), 255))
	}
	for _, b := range buttons(shot) {
		for y, row := range b.rows {
			for x := row.from; x <= row.to; x++ {
				i := (b.top+y)*shot.Rect.Dx() + x
				p := shot.Pix[4*i : 4*i+3]
				white := max(int(slices.Min(p))-strong, 0) * 255 / (255 - strong)
				out.Pix[i] = byte(255 - white)
			}
		}
	}
	unlined(out)
	return out
}

// unlined takes lines out of a picture: within a frame no text is looked for.
func unlined(pic *image.Gray) {
	wide, high := pic.Rect.Dx(), pic.Rect.Dy()
	const long, dark = 40, 230 // no letter has such a stroke
	erase := make([]bool, len(pic.Pix))
	along := func(lines, length, across, step int) {
		for l := range lines {
			start := 0
			for x := range length + 1 {
				if x < length && pic.Pix[l*across+x*step] < dark {
					continue
				}
				for i := start; x-start >= long && i < x; i++ {
					erase[l*across+i*step] = true
				}
				start = x + 1
			}
		}
	}
	along(high, wide, wide, 1)
	along(wide, high, 1, wide)
	for i, gone := range erase {
		if gone {
			pic.Pix[i] = 255
		}
	}
}

// part is a connected part of a picture.
type part struct {
	top  int
	rows []row
	size int // pixels
}

type row struct{ from, to int }

// buttons are the parts of a strong colour that have the shape of buttons.
func buttons(shot *image.RGBA) (found []part) {
	wide := shot.Rect.Dx()
	colourful := make([]bool, len(shot.Pix)/4)
	for i := range colourful {
		p := shot.Pix[4*i : 4*i+3]
		colourful[i] = slices.Max(p)-slices.Min(p) > 60 && slices.Min(p) < strong
	}
	for i, yes := range colourful {
		if !yes {
			continue
		}
		const least = 20 // pixels high and wide
		p, width := connected(colourful, wide, i)
		if len(p.rows) >= least && width >= least && p.size*2 > width*len(p.rows) {
			found = append(found, p)
		}
	}
	return found
}

// connected takes what is connected to a pixel out of the set.
func connected(set []bool, wide, start int) (p part, width int) {
	p.top = start / wide // the first is the topmost
	left, right := wide, 0
	set[start] = false
	for todo := []int{start}; len(todo) > 0; {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		x, y := i%wide, i/wide-p.top
		for len(p.rows) <= y {
			p.rows = append(p.rows, row{wide, -1})
		}
		p.rows[y] = row{min(p.rows[y].from, x), max(p.rows[y].to, x)}
		left, right, p.size = min(left, x), max(right, x), p.size+1
		for _, next := range []int{i - wide, i + wide, i - 1, i + 1} {
			if next >= 0 && next < len(set) && set[next] {
				set[next] = false
				todo = append(todo, next)
			}
		}
	}
	return p, right - left + 1
}

// doubled is a picture of twice the size in the format pgm.
func doubled(in *image.Gray) []byte {
	wide, high := in.Rect.Dx(), in.Rect.Dy()
	out := fmt.Appendf(nil, "P5\n%d %d\n255\n", 2*wide, 2*high)
	at := func(x, y int) int { return int(in.Pix[min(y, high-1)*wide+min(x, wide-1)]) }
	for y := range 2 * high {
		for x := range 2 * wide {
			a, b := x/2, y/2
			sum := at(a, b) + at(a+x%2, b) + at(a, b+y%2) + at(a+x%2, b+y%2)
			out = append(out, byte(sum/4))
		}
	}
	return out
}

// TestLegible: the text of a button becomes dark on light, like all other text.
func TestLegible(t *testing.T) {
	shot := image.NewRGBA(image.Rect(0, 0, 100, 60))
	fill := func(r image.Rectangle, c color.RGBA) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				shot.SetRGBA(x, y, c)
			}
		}
	}
	white, black, green := color.RGBA{255, 255, 255, 255}, color.RGBA{20, 25, 30, 255}, color.RGBA{10, 106, 90, 255}
	fill(shot.Rect, white)
	fill(image.Rect(10, 2, 30, 5), black)
	fill(image.Rect(10, 10, 80, 40), green)
	fill(image.Rect(20, 20, 50, 25), white)
	fill(image.Rect(10, 50, 40, 52), green) // text in a colour
	fill(image.Rect(10, 55, 90, 56), green) // a line
	ppm := []byte("P6\n100 60\n255\n")
	for i := range 100 * 60 {
		ppm = append(ppm, shot.Pix[4*i:4*i+3]...)
	}
	read, err := screenshot(ppm)
	if err != nil || !bytes.Equal(read.Pix, shot.Pix) {
		t.Fatalf("the picture is not read: %v", err)
	}
	if _, err := screenshot(ppm[:200]); err == nil {
		t.Error("half a picture is read")
	}
	out := legible(read)
	for at, dark := range map[image.Point]bool{{5, 5}: false, {15, 3}: true, {12, 12}: false, {30, 22}: true, {60, 22}: false, {20, 51}: true, {20, 55}: false, {88, 55}: false} {
		if got := out.GrayAt(at.X, at.Y).Y; got < 100 != dark {
			t.Errorf("at %v the grey is %d", at, got)
		}
	}
	if head := "P5\n200 120\n255\n"; len(doubled(out)) != len(head)+200*120 || !bytes.HasPrefix(doubled(out), []byte(head)) {
		t.Error("the picture is not doubled")
	}
}
