package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

// Plan is what Apply would do.
type Plan struct {
	Changes []Change      `json:"changes"`
	Prompts int           `json:"prompts"` // times that the system will ask the person
	Admin   bool          `json:"admin"`   // one of the prompts is for an administrator
	Door    splitdns.Name `json:"door"`    // how names would get in
	InWay   []Obstacle    `json:"in_way,omitempty"`
}

// Change is one thing that is changed.
type Change struct {
	ID    string `json:"id"` // of the door or the store
	Text  Text   `json:"text"`
	Actor Actor  `json:"actor"`           // who makes it
	Trust bool   `json:"trust,omitempty"` // it belongs to the certificate

	door  splitdns.Choice
	store trust.Store
}

// Obstacle is what keeps a door or a store from being used.
type Obstacle struct {
	ID  string `json:"id"` // of the door or the store
	Why Text   `json:"why"`
	Do  Text   `json:"do,omitzero"` // what a person could do
}

// String says both in English sentences.
func (o Obstacle) String() string {
	text := sentence(o.Why.String())
	if do := o.Do.String(); do != "" {
		text += " " + sentence(do)
	}
	return text
}

// sentence begins with a capital and ends with a full stop, unless it ends in
// a command.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.HasSuffix(text, ".") || strings.Contains(text, ": ") {
		return text
	}
	return text + "."
}

// Plan says what Apply would do, changing nothing.
func (s *Setup) Plan(ctx context.Context, c Choice) (Plan, error) {
	p := Plan{Door: splitdns.Localhost, Changes: []Change{}}
	if c.Browsing {
		d, err := s.cfg.Decide(ctx)
		if err != nil {
			return Plan{}, fmt.Errorf("look at how this computer finds names: %w", err)
		}
		s.planDoors(&p, d)
	}
	if c.Trust {
		s.planStores(&p)
	}
	p.count(s.cfg.Actor)
	return p, nil
}

func (s *Setup) planDoors(p *Plan, d splitdns.Decision) {
	p.Door = d.Doors[0].Door
	for _, choice := range d.Doors {
		who, ok := s.actor(string(choice.Door))
		if choice.Door == splitdns.Localhost || !ok {
			continue
		}
		p.Changes = append(p.Changes, Change{ID: string(choice.Door), Text: say("setup.change." + string(choice.Door)), Actor: who, door: choice})
	}
	for _, r := range d.Not {
		p.InWay = append(p.InWay, Obstacle{ID: string(r.Door), Why: reason(r.Why, r.What), Do: advice(r.Do)})
	}
}

// actor picks who makes a part: this process where it may, else the service
// that is there for it, else the helper.
func (s *Setup) actor(part string) (Actor, bool) {
	if MaySet(part, s.cfg.Actor) {
		return s.cfg.Actor, true
	}
	order := []Actor{Helper, Service}
	if s.cfg.Actor != User {
		order = nil // nothing of a user's is done by another
	}
	for _, who := range order {
		if MaySet(part, who) && (who == Helper || s.cfg.HasService) {
			return who, true
		}
	}
	return "", false
}

func reason(why splitdns.Reason, what string) Text {
	return Text{ID: "names.reason." + string(why), English: why.Text(what), Args: map[string]string{"what": what}}
}

func advice(do splitdns.Advice) Text {
	if do == "" {
		return Text{}
	}
	return Text{ID: "names.advice." + string(do), English: do.Text()}
}

func (s *Setup) planStores(p *Plan) {
	for _, store := range s.stores() {
		who, ok := s.actor(string(store.Kind))
		if !ok {
			continue
		}
		if store.Blocked != "" {
			p.InWay = append(p.InWay, blocked(store))
			continue
		}
		p.Changes = append(p.Changes, Change{ID: store.ID, Text: storeText(store), Actor: who, Trust: true, store: store})
	}
}

// stores are those that are wanted: without the service the user's own, with
// it the machine's too, and on systems with one store for each not both.
func (s *Setup) stores() []trust.Store {
	d := trust.Look(s.cfg.Trust)
	if s.cfg.Actor != User {
		d.Home = "" // a home is for its owner
	}
	both := d.GOOS != "windows" && d.GOOS != "darwin"
	return slices.DeleteFunc(trust.Decide(d), func(store trust.Store) bool {
		if store.Scope == trust.Machine {
			return !s.cfg.HasService && s.cfg.Actor == User
		}
		return !both && s.cfg.HasService
	})
}

func storeText(store trust.Store) Text {
	return say("setup.change.trust."+string(store.Kind), "name", store.Name, "path", store.Path)
}

func blocked(store trust.Store) Obstacle {
	o := Obstacle{ID: store.ID, Why: say("setup.blocked."+string(store.Blocked), "name", store.Name, "path", store.Path)}
	if store.Hint != "" {
		o.Do = say("setup.blocked.certutil.do", "command", store.Hint)
	}
	return o
}

// count says how often the person will be asked: once for everything that
// needs an administrator, and by the systems that ask for a store themselves.
func (p *Plan) count(me Actor) {
	for _, c := range p.Changes {
		switch {
		case c.Actor == Helper && me == User && !p.Admin:
			p.Admin = true
			p.Prompts++
		case c.Actor == me && c.store.Prompt:
			p.Prompts++
		}
	}
}
