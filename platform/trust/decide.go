package trust

import "path"

// movedIn is the Chromium that began to look below ~/.local/share; it goes on
// using ~/.pki/nssdb where that exists, and older ones know that alone.
const movedIn = 146

// Decide lists the stores of a machine. It asks nothing of the system.
func Decide(d Description) []Store {
	switch d.GOOS {
	case "windows":
		return []Store{
			{ID: string(WindowsMachine), Kind: WindowsMachine, Scope: Machine, Name: "Windows, all users"},
			{ID: string(WindowsUser), Kind: WindowsUser, Scope: User, Name: "Windows, this user", Prompt: true},
		}
	case "darwin":
		return darwinStores(d)
	default:
		return linuxStores(d)
	}
}

func darwinStores(d Description) []Store {
	stores := []Store{{ID: string(SystemKeychain), Kind: SystemKeychain, Scope: Machine, Name: "System keychain", Path: "/Library/Keychains/System.keychain", Prompt: true}}
	if d.Home == "" {
		return stores
	}
	login := Store{ID: string(LoginKeychain), Kind: LoginKeychain, Scope: User, Name: "Login keychain", Path: path.Join(d.Home, "Library/Keychains/login.keychain-db"), Prompt: true}
	if !d.HomeMine {
		login.Blocked = NotYours
	}
	return append(stores, login)
}

func linuxStores(d Description) []Store {
	var stores []Store
	if d.Anchors != nil {
		stores = append(stores, anchorStore(*d.Anchors))
	}
	if d.Home != "" {
		stores = append(stores, databases(d)...)
	}
	// A policy copies the certificate into every profile that starts, for
	// good, so it is used only where the profiles cannot be written.
	if d.Policies != "" && d.Certutil == "" {
		s := Store{ID: string(FirefoxPolicy), Kind: FirefoxPolicy, Scope: Machine, Name: "Firefox, all users", Path: d.Policies}
		if d.Broken {
			s.Blocked = NotJSON
		}
		stores = append(stores, s)
	}
	return stores
}

func anchorStore(a Anchor) Store {
	s := Store{ID: string(Anchors), Kind: Anchors, Scope: Machine, Name: "System certificates", Path: a.Dir, anchor: a}
	switch {
	case a.ReadOnly:
		s.Blocked = ReadOnly
	case !a.Found:
		s.Blocked = NoRefresh
	}
	return s
}

// databases lists the NSS databases of the user, each once: several browsers
// share one.
func databases(d Description) []Store {
	var stores []Store
	seen := map[string]int{}
	for _, e := range d.Browsers {
		for _, db := range e.pick(seen) {
			if i, ok := seen[db.Dir]; ok {
				stores[i].Name += ", " + e.Name
				continue
			}
			seen[db.Dir] = len(stores)
			stores = append(stores, d.database(e, db))
		}
	}
	return stores
}

func (d Description) database(e Engine, db Database) Store {
	s := Store{ID: string(NSS) + ":" + db.Dir, Kind: NSS, Scope: User, Name: e.Name, Path: db.Dir, Fresh: !db.Exists}
	if db.Profile != "" {
		s.Name += " (" + db.Profile + ")"
	}
	switch {
	case !d.HomeMine || !db.Mine:
		s.Blocked = NotYours
	case d.Certutil == "":
		s.Blocked, s.Hint = NeedsCertutil, d.Package
	}
	return s
}

// pick returns the databases of a browser that count: every one that exists,
// and where none does, the one that this browser will read.
func (e Engine) pick(chosen map[string]int) []Database {
	if !e.Chromium {
		return e.Databases
	}
	var there []Database
	for _, db := range e.Databases {
		if _, ok := chosen[db.Dir]; db.Exists || ok {
			there = append(there, db)
		}
	}
	switch {
	case len(there) > 0 || len(e.Databases) == 0:
		// Making the old place beside the new one would hide the new one
		// from browsers that read both.
		return there
	case e.Version >= movedIn && len(e.Databases) > 1:
		return e.Databases[1:2]
	default: // one that every version reads
		return e.Databases[:1]
	}
}
