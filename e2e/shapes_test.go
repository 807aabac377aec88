//go:build linux

package e2e

import "time"

// What the commands print with -json, as a script sees it.
type (
	receipt struct {
		Name    string `json:"name"`
		Address string `json:"address"`
		Root    string `json:"root"`
		Seq     uint64 `json:"seq"`
		Copies  int    `json:"copies"`
		Records int    `json:"records"`
	}
	site struct {
		Name   string `json:"name"`
		Root   string `json:"root"`
		Seq    uint64 `json:"seq"`
		Copies int    `json:"copies"`
	}
	resolution struct {
		Name  string `json:"name"`
		Owner string `json:"owner"`
		Root  string `json:"root"`
		Seq   uint64 `json:"seq"`
	}
	status struct {
		NodeID  string `json:"node_id"`
		Peers   int    `json:"peers"`
		Traffic struct{ Up, Down uint64 }
	}
)

const waitCopies = 3 * time.Minute

func copies(sites []site, name string) int {
	for _, s := range sites {
		if s.Name == name {
			return s.Copies
		}
	}
	return 0
}
