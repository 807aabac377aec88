package service

import "testing"

// TrustedInstaller's identity is the same on every Windows and well known.
func TestServiceSID(t *testing.T) {
	const want = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	if got := serviceSID("TrustedInstaller"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProtect(t *testing.T) {
	if err := protect(t.TempDir(), "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"); err != nil {
		t.Error(err)
	}
}
