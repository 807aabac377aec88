package dht

import (
	"time"

	"altnet/engine/identity"
)

// Limits bound what a node keeps for others, whoever asks and however many
// identities they mint.
type Limits struct {
	Records      int // owners' records in all; 32,768
	Providers    int // provider records in all; 32,768
	PerGroup     int // of either, brought by peers of one IP group; 4,096
	PerNode      int // of either, brought by one peer; 2,048
	PerRoot      int // providers of one site; 100
	PerRootGroup int // of these, from one IP group; 3
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Records:      orDefault(l.Records, 32<<10),
		Providers:    orDefault(l.Providers, 32<<10),
		PerGroup:     orDefault(l.PerGroup, 4<<10),
		PerNode:      orDefault(l.PerNode, 2<<10),
		PerRoot:      orDefault(l.PerRoot, 100),
		PerRootGroup: orDefault(l.PerRootGroup, 3),
	}
}

// source is who brought something: what quotas count by.
type source struct {
	Node  identity.NodeID
	Group group
}

// quota counts what is kept by source. The maps never hold more entries than
// there are things kept.
type quota struct {
	max, perGroup, perNode int
	total                  int
	groups                 map[group]int
	nodes                  map[identity.NodeID]int
}

func newQuota(limit int, l Limits) *quota {
	return &quota{max: limit, perGroup: l.PerGroup, perNode: l.PerNode,
		groups: map[group]int{}, nodes: map[identity.NodeID]int{}}
}

// allows reports whether s is within its own share; whether there is room at
// all is full's to say.
func (q *quota) allows(s source) bool {
	return q.groups[s.Group] < q.perGroup && q.nodes[s.Node] < q.perNode
}

func (q *quota) full() bool { return q.total >= q.max }

func (q *quota) add(s source) {
	q.total++
	q.groups[s.Group]++
	q.nodes[s.Node]++
}

func (q *quota) remove(s source) {
	q.total--
	if q.groups[s.Group]--; q.groups[s.Group] <= 0 {
		delete(q.groups, s.Group)
	}
	if q.nodes[s.Node]--; q.nodes[s.Node] <= 0 {
		delete(q.nodes, s.Node)
	}
}

// crowder returns the group that keeps the most here, where that is so much
// more than s's group keeps that it should give way to it.
func (q *quota) crowder(s source) (group, bool) {
	var most group
	n := 0
	for g, c := range q.groups {
		if c > n {
			most, n = g, c
		}
	}
	return most, n > q.groups[s.Group]+1
}

// maxBudgets bounds the groups whose budget is remembered. Beyond that the
// memory starts again from nothing, which costs an attacker as many IP groups.
const maxBudgets = 4096

// budget is a token bucket per IP group: what checking other people's
// signatures and work may cost.
type budget struct {
	rate  float64 // tokens a second
	burst float64
	by    map[group]tokens
}

type tokens struct {
	left float64
	at   time.Time
}

func newBudget(rate, burst float64) *budget {
	return &budget{rate: rate, burst: burst, by: map[group]tokens{}}
}

// take spends one token of g, or says how long until there is one.
func (b *budget) take(g group, now time.Time) (wait time.Duration, ok bool) {
	t, known := b.by[g]
	if !known {
		if len(b.by) >= maxBudgets {
			clear(b.by)
		}
		t = tokens{left: b.burst, at: now}
	}
	t.left = min(b.burst, t.left+b.rate*now.Sub(t.at).Seconds())
	t.at = now
	if t.left < 1 {
		b.by[g] = t
		return time.Duration((1 - t.left) / b.rate * float64(time.Second)), false
	}
	t.left--
	b.by[g] = t
	return 0, true
}
