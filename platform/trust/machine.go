// Package trust brings the root certificate of this installation into the
// trust stores of the computer, and out of them again.
//
// There are many stores: the system's anchors, which browsers on Linux ignore;
// an NSS database for the Chromium family and one in each Firefox profile;
// the certificate stores of Windows; the keychains of macOS. Look describes
// what is there, Decide says from that alone which stores there are, who may
// write each and what is in the way, and Keeper does it through the journal,
// so that everything can be taken back, also after a kill.
//
// Only a root that is limited to one private suffix is ever installed (see
// ParseRoot). It is found again by its SHA-256 fingerprint, never by name.
package trust

// Kind is what a store is made of.
type Kind string

// The kinds of store.
const (
	Anchors        Kind = "anchors"         // the system's folder of certificates and the command that reads it
	NSS            Kind = "nss"             // a database of Firefox or of Chromium on Linux
	FirefoxPolicy  Kind = "firefox-policy"  // the administrator's settings for every Firefox
	WindowsMachine Kind = "windows-machine" // LocalMachine\Root
	WindowsUser    Kind = "windows-user"    // CurrentUser\Root
	SystemKeychain Kind = "system-keychain"
	LoginKeychain  Kind = "login-keychain"
)

// Scope is who a store is for, and so who may write it.
type Scope string

// The scopes.
const (
	User    Scope = "user"    // written by the user's own process
	Machine Scope = "machine" // written by an administrator: the helper or the service
)

// Description is the machine as far as trust stores go. Look fills it in.
type Description struct {
	GOOS     string
	Home     string   // of the user whose stores are meant; empty: none
	HomeMine bool     // Home belongs to whoever runs this process
	Certutil string   // path of NSS's certutil; empty: not installed
	Package  string   // what to install for it, a command; empty: not known
	Anchors  *Anchor  // nil: no known folder of anchors
	Policies string   // path of Firefox's policies file; empty: no Firefox that reads it
	Broken   bool     // that file is there and is no JSON object
	Browsers []Engine // that keep certificates in NSS databases
}

// Anchor is a distribution's way of trusting a certificate.
type Anchor struct {
	Dir      string
	Ext      string   // of the files that are read there
	Refresh  []string // the command that reads the folder
	Bundle   string   // the file that the command writes for programs to read
	Found    bool     // the command exists
	ReadOnly bool     // the folder cannot be written even by root
}

// Engine is a browser that keeps certificates in NSS databases.
type Engine struct {
	Name      string
	Chromium  bool
	Version   int        // major; 0: not known
	Used      bool       // has a folder of profiles
	Databases []Database // Chromium: the old place first, the new one second; Firefox: one for each profile
}

// Database is one place of an NSS database.
type Database struct {
	Dir     string
	Profile string // Firefox: its name
	Exists  bool
	Mine    bool // the folder, or the nearest one above it that exists, belongs to whoever runs this process
}

// Store is one trust store that the root can be put into.
type Store struct {
	ID      string  `json:"id"` // stable: kind and place
	Kind    Kind    `json:"kind"`
	Scope   Scope   `json:"scope"`
	Name    string  `json:"name"`            // for people: "Firefox, default-release"
	Path    string  `json:"path,omitempty"`  // file or folder
	Fresh   bool    `json:"fresh,omitempty"` // it does not exist yet and would be made
	Prompt  bool    `json:"prompt,omitempty"`
	Blocked Blocker `json:"blocked,omitempty"` // what is in the way; empty: nothing
	Hint    string  `json:"hint,omitempty"`    // with NeedsCertutil: a command that installs it

	anchor Anchor
}

// Blocker is what keeps a store from being written.
type Blocker string

// The blockers.
const (
	NeedsCertutil Blocker = "certutil"  // NSS's certutil is not installed
	NotYours      Blocker = "not-yours" // it belongs to another user
	ReadOnly      Blocker = "read-only" // /etc cannot be written
	NoRefresh     Blocker = "refresh"   // the command that reads the anchors is missing
	NotJSON       Blocker = "not-json"  // policies.json is no JSON object: somebody's mistake, left alone
)
