package site

import "testing"

// The size that a reader is told is that of the file at the end of the path,
// met in the right folder, and of no more than comes with the path.
func TestPathFetchMeetsItsFile(t *testing.T) {
	leaf := &node{kind: KindLeaf, names: []string{"a.html", "b"}, links: []Link{{Kind: KindChunk, Size: 1000}, {Kind: KindList, Size: 5 << 20}}}
	for _, c := range []struct {
		path  string
		depth uint8
		n     *node
		want  int64
	}{
		{"a.html", 0, leaf, 1300},
		{"dir/a.html", 1, leaf, 1300},
		{"dir/a.html", 0, leaf, 0}, // another file of that name
		{"a.html", 1, leaf, 0},
		{"c.html", 0, leaf, 0},
		{"b", 0, leaf, 300 + pathLimit},
		{"a.html", 0, &node{kind: KindFork}, 0},
	} {
		pf := &pathFetch{path: c.path, done: 300}
		pf.met(place{depth: c.depth}, c.n)
		if pf.total != c.want {
			t.Errorf("%s at depth %d: %d, want %d", c.path, c.depth, pf.total, c.want)
		}
	}
}
