package trust

import (
	"flag"
	"os"
	"strings"
	"testing"

	"altnet/platform/journal"
)

// stores lets the test write to a Root store of this Windows. A person is asked
// for windows-user, which Wine cannot delete from.
var stores = flag.String("stores", "", "write to these certificate stores of this computer: windows-machine, windows-user")

func TestCertStores(t *testing.T) {
	if *stores == "" {
		t.Skip("-stores changes this computer")
	}
	for kind := range strings.SplitSeq(*stores, ",") {
		kind := Kind(kind)
		dir, err := os.MkdirTemp("", "altnet-trust-") // Wine fails to empty a TempDir
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		root, s := limited(t), Store{ID: string(kind), Kind: kind, Name: string(kind)}
		keeper := func() *Keeper {
			j, err := journal.Open(dir+`\journal`, journal.Config{Undoers: Undoers(Env{}), Surgeons: Surgeons()})
			if err != nil {
				t.Fatal(err)
			}
			return New(Env{}, j)
		}
		state := func(want State) {
			t.Helper()
			if got, err := keeper().Check(t.Context(), s, root.Fingerprint()); err != nil || got != want {
				t.Errorf("%s: %s, want %s: %v", kind, got, want, err)
			}
		}
		state(Absent)
		for range 2 {
			if err := keeper().Install(t.Context(), s, root); err != nil {
				t.Fatal(err)
			}
			state(Trusted)
		}
		for range 2 {
			if _, err := keeper().Remove(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			state(Absent)
		}
	}
}
