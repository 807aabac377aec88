package trust

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"altnet/platform/journal"
)

// policyFile drives Certificates.Install in Firefox's policies.json. The
// certificate lies beside that file, where a confined Firefox may read too.
type policyFile struct{}

// entry is our part of policies.json.
type entry struct {
	Path string `json:"path"`
	Made int    `json:"made"` // how many of the containers around it we made, from the inside
}

// containers are the keys around the list, from the outside.
func containers() []string { return []string{"policies", "Certificates", "Install"} }

func (policyFile) install(ctx context.Context, j *journal.Journal, door string, s Store, root Root) error {
	cert := filepath.Join(filepath.Dir(s.Path), fileName(root.Fingerprint(), ".pem"))
	now, err := os.ReadFile(s.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, made, err := addPolicy(now, cert)
	if err != nil {
		return err
	}
	changes := []journal.FileChange{
		{Door: door, Path: cert, Edit: journal.Whole(root.PEM()), Mode: 0o644},
		{Door: door, Path: s.Path, Mode: 0o644, Surgeon: surgeonPolicy, Part: note(entry{cert, made}), Edit: func(now []byte) ([]byte, error) {
			text, _, err := addPolicy(now, cert)
			return text, err
		}},
	}
	for _, c := range changes {
		if err := j.File(ctx, c); err != nil {
			_, undone := j.Undo(context.WithoutCancel(ctx), door)
			return errors.Join(err, undone)
		}
	}
	return nil
}

// check looks for a listed file that holds the certificate.
func (policyFile) check(_ context.Context, s Store, f Fingerprint) (State, error) {
	text, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Absent, nil
	}
	if err != nil {
		return "", err
	}
	top, err := parseSpans(text)
	if err != nil {
		return Absent, nil // Firefox reads nothing from it either
	}
	for _, item := range listOf(top) {
		if found, err := holds(item.text, f); filepath.IsAbs(item.text) && err == nil && found {
			return Trusted, nil
		}
	}
	return Absent, nil
}

// listOf returns the entries of Certificates.Install.
func listOf(top span) []span {
	at := top
	for _, key := range containers() {
		m, ok := at.member(key)
		if !ok {
			return nil
		}
		at = m.value
	}
	return at.items
}

// addPolicy returns policies.json with path in its list, every other byte as
// it was, and how many containers had to be made.
func addPolicy(now []byte, path string) (text []byte, made int, err error) {
	keys := containers()
	if len(strings.TrimSpace(string(now))) == 0 {
		return []byte(nested(keys, path, 0) + "\n"), len(keys) + 1, nil
	}
	at, err := parseSpans(now)
	if err != nil {
		return nil, 0, err
	}
	for i, key := range keys {
		if at.kind != '{' {
			return nil, 0, errors.Join(ErrBlocked, errNoObject)
		}
		m, ok := at.member(key)
		if !ok {
			added := quoted(key) + ": " + nested(keys[i+1:], path, i+1)
			return insert(now, at, added, i+1), len(keys) - i, nil
		}
		at = m.value
	}
	if at.kind != '[' {
		return nil, 0, errors.Join(ErrBlocked, errNoObject)
	}
	for _, item := range at.items {
		if item.text == path {
			return now, 0, nil
		}
	}
	return insert(now, at, quoted(path), len(keys)+1), 0, nil
}

var errNoObject = errors.New("policies.json does not have the shape Firefox reads")

// nested writes objects around the list that holds path.
func nested(keys []string, path string, depth int) string {
	in, out := indent(depth+1), indent(depth)
	if len(keys) == 0 {
		return "[\n" + in + quoted(path) + "\n" + out + "]"
	}
	return "{\n" + in + quoted(keys[0]) + ": " + nested(keys[1:], path, depth+1) + "\n" + out + "}"
}

func indent(depth int) string { return strings.Repeat("  ", depth) }

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

// insert puts text first into a container.
func insert(now []byte, at span, text string, depth int) []byte {
	first := at.start + 1
	added := "\n" + indent(depth) + text
	if len(at.items)+len(at.members) > 0 {
		added += ","
	}
	return slices.Concat(now[:first], []byte(added), now[first:])
}

// cutPolicy is the Surgeon: it takes our entry out, and the containers that we
// made and that nobody put anything else into.
func cutPolicy(now []byte, part json.RawMessage) ([]byte, error) {
	var ours entry
	if err := json.Unmarshal(part, &ours); err != nil {
		return nil, err
	}
	top, err := parseSpans(now)
	if err != nil {
		return now, nil // whatever it is now, our entry means nothing in it
	}
	path := []span{top}
	for _, key := range containers() {
		m, ok := path[len(path)-1].member(key)
		if !ok {
			return now, nil
		}
		path = append(path, m.value)
	}
	list := path[len(path)-1]
	i := slices.IndexFunc(list.items, func(s span) bool { return s.text == ours.Path && s.kind == '"' })
	if i < 0 {
		return now, nil
	}
	return prune(now, path, i, ours.Made), nil
}

// prune cuts item i out of the innermost container, or the outermost container
// of ours that holds nothing else.
func prune(now []byte, path []span, i, made int) []byte {
	depth := len(path) - 1 // of the container that something is cut from
	for made > 0 && len(path[depth].items)+len(path[depth].members) == 1 {
		if depth == 0 {
			return nil // the file itself was ours
		}
		key := containers()[depth-1]
		depth, made = depth-1, made-1
		i = slices.IndexFunc(path[depth].members, func(m member) bool { return m.key == key })
	}
	return path[depth].without(now, i)
}
