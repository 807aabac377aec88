// Command table turns the output of the benchmarks into the table of
// BENCHMARKS.md: every job beside its ceiling and its target.
package main

import (
	"fmt"
	"io"
	"os"
)

// row is one job. A target is a part of the ceiling, or a limit, or both.
type row struct {
	job              string
	product, ceiling string // package and benchmark or test
	unit             string
	share            float64 // of the ceiling's speed at least; 0: no such target
	limit            float64 // in unit; 0: no such target
}

// rows are the jobs in the order of the targets. With "cpu-ms/op" it is the
// time of the processors that is compared.
func rows() []row {
	const engine = "engine Benchmark"
	publish := func(job, shape, way string, share float64) []row {
		product, ceiling := engine+"Publish/"+shape+"/"+way, engine+"Publish/"+shape+"/ceiling"
		unit := map[string]string{"256MiB": "MB/s", "10000x4KiB": "files/s"}[shape]
		return []row{
			{job, product, ceiling, unit, share, 0},
			{job + ", processor time", product, ceiling, "cpu-ms/op", 0, 0},
		}
	}
	var out []row
	out = append(out, publish("publish 256 MiB, durable", "256MiB", "build", 0.6)...)
	out = append(out, publish("publish 256 MiB through a node's control", "256MiB", "author", 0)...)
	out = append(out, publish("publish 10,000 × 4 KiB, durable", "10000x4KiB", "build", 0.45)...)
	out = append(out, publish("publish 10,000 × 4 KiB through a node's control", "10000x4KiB", "author", 0)...)
	fetch := func(job, shape, unit string, share, limit float64) {
		product, ceiling := engine+"Fetch/"+shape+"/fetch", engine+"Fetch/"+shape+"/ceiling"
		out = append(out, row{job, product, ceiling, unit, share, limit},
			row{job + ", processor time", product, ceiling, "cpu-ms/op", 0, 0})
	}
	fetch("fetch 256 MiB from one peer, verified, stored", "256MiB", "MB/s", 0.7, 0)
	fetch("fetch 10,000 × 4 KiB", "10000x4KiB", "files/s", 0, 20_000)
	first := engine + "FirstByte/"
	return append(out, []row{
		{"first byte of a cold page, holder known, p50", first + "known", first + "ceiling", "p50-ms", 0, 5},
		{"first byte of a cold page, name and holder unknown, p50", first + "unknown", first + "ceiling", "p50-ms", 0, 15},
		{"gateway, 10 KiB page, c = 16", "engine/gateway BenchmarkPage/product", "engine/gateway BenchmarkPage/ceiling", "req/s", 0.8, 0},
		{"the same, p99", "engine/gateway BenchmarkPage/product", "engine/gateway BenchmarkPage/ceiling", "p99-ms", 0, 6},
		{"gateway, 100 MiB file", "engine/gateway BenchmarkFile/product", "engine/gateway BenchmarkFile/ceiling", "MB/s", 0.8, 0},
		{"secure handshake over TCP, ML-KEM in both", "engine/secure BenchmarkHandshake/altnet", "engine/secure BenchmarkHandshake/ceiling", "handshakes/s", 0.8, 0},
		{"encrypted stream", "engine/secure BenchmarkStream/altnet", "engine/secure BenchmarkStream/ceiling", "MB/s", 0.8, 0},
		{"encrypted stream, multiplexed, in blocks", "engine/peer BenchmarkBulk/peer", "engine/peer BenchmarkBulk/ceiling", "MB/s", 0.8, 0},
		{"DNS answers for .alt", "engine/dns BenchmarkAlt/product", "engine/dns BenchmarkAlt/ceiling", "queries/s", 0.9, 0},
		{"the same at 5,000 a second, p99", "engine/dns BenchmarkPaced/product", "engine/dns BenchmarkPaced/ceiling", "p99-ms", 0, 1},
		{"DNS forward, cached", "engine/dns BenchmarkForwardCached/product", "engine/dns BenchmarkForwardCached/ceiling", "queries/s", 0, 57_200},
		{"DHT get among 300 nodes", "engine/dht TestGetCost", "", "rpcs", 0, 8},
		{"look-up among 100,000 nodes, half dead, RTT 100 ms: found (%)", "engine/dht TestLookupSimulation", "", "success", 0, 99.9},
		{"the same, p50", "engine/dht TestLookupSimulation", "", "p50-ms", 0, 335},
		{"the same, p90", "engine/dht TestLookupSimulation", "", "p90-ms", 0, 595},
		{"the same, p99", "engine/dht TestLookupSimulation", "", "p99-ms", 0, 860},
		{"publish live, new address, RTT 100 ms", "engine TestPublishIsLive", "", "address-ms", 0, 1000},
		{"publish live, new name", "engine TestPublishIsLive", "", "name-ms", 0, 1000},
		{"publish live, update", "engine TestPublishIsLive", "", "update-ms", 0, 1000},
		{"publish live, no session open before", "engine TestPublishIsLive", "", "cold-ms", 0, 1000},
		{"idle node, memory", "e2e TestIdle", "", "MiB", 0, 30},
		{"idle node, processor", "e2e TestIdle", "", "cpu-s/min", 0, 0.05},
		{"start of a node", "e2e BenchmarkStart", "", "ns/op", 0, 0.1e9},
		{"memory per node in process, idle", engine + "Memory", "", "idle-KiB/node", 0, 1024},
		{"the same, in session with 48 others", engine + "Memory", "", "KiB/node", 0, 1024},
		{"binary without window", "e2e BenchmarkBinary", "", "MB", 0, 20},
	}...)
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	r, err := read(in)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "| job | product | ceiling | ratio | target | |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for _, row := range rows() {
		fmt.Fprintln(out, row.line(r))
	}
	return nil
}

// line is a row of the table.
func (w row) line(r results) string {
	got, measured := median(r[w.product+" "+w.unit])
	if !measured {
		return fmt.Sprintf("| %s | | | | %s | not measured |", w.job, w.target())
	}
	ceiling, part := "", ""
	c, beside := median(r[w.ceiling+" "+w.unit])
	ratio, _ := r.ratio(w.product, w.ceiling, w.unit)
	if beside {
		ceiling, part = show(c, w.unit), fmt.Sprintf("%.2f", ratio)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", w.job, show(got, w.unit), ceiling, part, w.target(), w.verdict(got, ratio))
}

func (w row) target() string {
	switch {
	case w.share > 0:
		return fmt.Sprintf("≥ %.2f of the ceiling", w.share)
	case w.limit > 0 && smaller(w.unit):
		return "≤ " + show(w.limit, w.unit)
	case w.limit > 0:
		return "≥ " + show(w.limit, w.unit)
	}
	return ""
}

func (w row) verdict(got, ratio float64) string {
	if w.share == 0 && w.limit == 0 {
		return ""
	}
	met := w.share == 0 || ratio >= w.share
	switch {
	case w.limit == 0:
	case smaller(w.unit):
		met = met && got <= w.limit
	default:
		met = met && got >= w.limit
	}
	if met {
		return "met"
	}
	return "**missed**"
}

// show writes a figure with its unit.
func show(v float64, unit string) string {
	switch unit {
	case "ns/op":
		return fmt.Sprintf("%.3g ms", v/1e6)
	case "rpcs":
		return fmt.Sprintf("%.2f requests", v)
	case "success":
		return fmt.Sprintf("%.2f", v)
	case "cpu-ms/op":
		return fmt.Sprintf("%.0f ms", v)
	case "cpu-s/min":
		return fmt.Sprintf("%.3f s/min", v)
	case "idle-KiB/node", "KiB/node":
		return fmt.Sprintf("%.0f KiB", v)
	case "p50-ms", "p90-ms", "p99-ms", "address-ms", "name-ms", "update-ms", "cold-ms":
		return fmt.Sprintf("%.4g ms", v)
	case "MB", "MiB":
		return fmt.Sprintf("%.3g %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}
