package main

import (
	"strings"
	"testing"
)

const output = `=== ATTR  TestGetCost rpcs 4.25
--- PASS: TestGetCost (3.14s)
ok  	altnet/engine/dht	5.238s
pkg: altnet/engine/dns
BenchmarkAlt/ceiling-2     	   88339	     14549 ns/op	     68000 queries/s
BenchmarkAlt/product-2     	   84530	     15225 ns/op	     34000 queries/s
ok  	altnet/engine/dns	5.238s
pkg: altnet/engine/dns
BenchmarkAlt/ceiling-2     	   88339	     14549 ns/op	     60000 queries/s
BenchmarkAlt/product-2     	   84530	     15225 ns/op	     60000 queries/s
pkg: altnet/engine/dns
BenchmarkAlt/ceiling-2     	   88339	     14549 ns/op	     10000 queries/s
BenchmarkAlt/product-2     	   84530	     15225 ns/op	      9500 queries/s
BenchmarkPaced/product-2   	   10000	    217205 ns/op	         1.450 p99-ms
`

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := run(strings.NewReader(output), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| DHT get among 300 nodes | 4.25 requests |  |  | ≤ 8.00 requests | met |",
		"| DNS answers for .alt | 34000 queries/s | 60000 queries/s | 0.95 | ≥ 0.90 of the ceiling | met |",
		"| the same at 5,000 a second, p99 | 1.45 ms |  |  | ≤ 1 ms | **missed** |",
		"| start of a node | | | | ≤ 100 ms | not measured |",
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
}

func TestRatioOfTimes(t *testing.T) {
	r := results{"p ns/op": {200, 100}, "c ns/op": {100, 100}}
	if got, ok := r.ratio("p", "c", "ns/op"); !ok || got != 0.75 {
		t.Errorf("%v %v", got, ok)
	}
	if _, ok := r.ratio("p", "d", "ns/op"); ok {
		t.Error("a ratio to nothing")
	}
}
