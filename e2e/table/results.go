package main

import (
	"bufio"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results holds every figure of a run by where it comes from, as in
// "engine/site BenchmarkPublish/256MiB MB/s", one for each round.
type results map[string][]float64

// procs is what the testing package appends to a benchmark's name.
var procs = regexp.MustCompile(`-\d+$`)

// read collects figures from the output of go test: lines of benchmarks, and
// attributes of tests.
func read(r io.Reader) (results, error) {
	out := results{}
	pkg := ""
	var pending []attribute // of a package whose name comes after its tests
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 2 && f[0] == "pkg:":
			pkg = strings.TrimPrefix(f[1], "altnet/")
		case len(f) == 5 && f[0] == "===" && f[1] == "ATTR":
			pending = append(pending, attribute{f[2] + " " + f[3], f[4]})
		case len(f) >= 2 && (f[0] == "ok" || f[0] == "FAIL"):
			for _, a := range pending {
				out.add(strings.TrimPrefix(f[1], "altnet/")+" "+a.key, a.value)
			}
			pending = nil
		case len(f) >= 4 && strings.HasPrefix(f[0], "Benchmark"):
			name := pkg + " " + procs.ReplaceAllString(f[0], "")
			for i := 2; i+1 < len(f); i += 2 {
				out.add(name+" "+f[i+1], f[i])
			}
		}
	}
	return out, lines.Err()
}

type attribute struct{ key, value string }

func (r results) add(key, value string) {
	if v, err := strconv.ParseFloat(value, 64); err == nil {
		r[key] = append(r[key], v)
	}
}

// median returns the middle of the rounds; false where there are none.
func median(v []float64) (float64, bool) {
	if len(v) == 0 {
		return 0, false
	}
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2, true
	}
	return v[len(v)/2], true
}

// ratio returns the median over the rounds of product by ceiling, as speeds.
func (r results) ratio(product, ceiling, unit string) (float64, bool) {
	p, c := r[product+" "+unit], r[ceiling+" "+unit]
	var all []float64
	for i := range min(len(p), len(c)) {
		if smaller(unit) {
			all = append(all, c[i]/p[i])
		} else {
			all = append(all, p[i]/c[i])
		}
	}
	return median(all)
}

// smaller reports whether less of a unit is better.
func smaller(unit string) bool { return !strings.HasSuffix(unit, "/s") && unit != "success" }
