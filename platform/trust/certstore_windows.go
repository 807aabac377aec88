package trust

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"

	"altnet/platform/journal"
)

// certStore drives the Root stores of Windows. The user's own asks the person
// by a dialog of the system's, both ways.
type certStore struct{}

func (certStore) install(ctx context.Context, j *journal.Journal, door string, s Store, root Root) error {
	change := journal.ExternalChange{Door: door, Kind: kindStore, Key: string(s.Kind), After: note(root.Fingerprint().String())}
	return j.External(ctx, change, func(context.Context) error { return add(s.Kind, root.cert.Raw) })
}

func add(kind Kind, der []byte) error {
	store, err := openStore(kind, false)
	if err != nil {
		return err
	}
	defer windows.CertCloseStore(store, 0)
	cert, err := windows.CertCreateCertificateContext(windows.X509_ASN_ENCODING, &der[0], uint32(len(der)))
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	defer windows.CertFreeCertificateContext(cert)
	err = windows.CertAddCertificateContextToStore(store, cert, windows.CERT_STORE_ADD_REPLACE_EXISTING, nil)
	if errors.Is(err, windows.ERROR_CANCELLED) {
		return ErrDeclined
	}
	return err
}

// provRegistry opens what lies in a place itself, without the certificates of
// the machine that the user's store shows too.
const provRegistry = 13

// openStore opens a Root store. To write the user's it must be the system's
// view: that one asks the person, and what was put below it behind the system's
// back does not count.
func openStore(kind Kind, read bool) (windows.Handle, error) {
	place, provider := uint32(windows.CERT_SYSTEM_STORE_CURRENT_USER), uintptr(provRegistry)
	switch {
	case kind == WindowsMachine:
		place = windows.CERT_SYSTEM_STORE_LOCAL_MACHINE
	case !read:
		provider = windows.CERT_STORE_PROV_SYSTEM
	}
	if read {
		place |= windows.CERT_STORE_READONLY_FLAG
	}
	name, err := windows.UTF16PtrFromString("Root")
	if err != nil {
		return 0, err
	}
	store, err := windows.CertOpenStore(provider, 0, 0, place, uintptr(unsafe.Pointer(name)))
	if err != nil {
		return 0, fmt.Errorf("open the store %s: %w", kind, err)
	}
	return store, nil
}

// visit calls f with every certificate of a store until f returns false.
func visit(store windows.Handle, f func(*windows.CertContext) bool) error {
	var cert *windows.CertContext
	for {
		next, err := windows.CertEnumCertificatesInStore(store, cert) // frees cert
		if next == nil {
			if err == nil || errors.Is(err, windows.Errno(windows.CRYPT_E_NOT_FOUND)) || errors.Is(err, windows.ERROR_NO_MORE_FILES) {
				return nil
			}
			return fmt.Errorf("list the store: %w", err)
		}
		if cert = next; !f(cert) {
			return windows.CertFreeCertificateContext(cert)
		}
	}
}

func is(cert *windows.CertContext, f Fingerprint) bool {
	return sha256.Sum256(unsafe.Slice(cert.EncodedCert, cert.Length)) == f
}

func (certStore) check(_ context.Context, s Store, f Fingerprint) (State, error) {
	store, err := openStore(s.Kind, true)
	if errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
		return Absent, nil
	}
	if err != nil {
		return "", err
	}
	defer windows.CertCloseStore(store, 0)
	state := Absent
	err = visit(store, func(cert *windows.CertContext) bool {
		if is(cert, f) {
			state = Trusted
		}
		return state == Absent
	})
	return state, err
}

func (c certStore) undo(ctx context.Context, change journal.Change) (journal.Result, error) {
	list, err := fingerprints(change)
	if err != nil {
		return journal.Failed, err
	}
	s, result := Store{Kind: Kind(change.Key)}, journal.Nothing
	for _, f := range list {
		if state, err := c.check(ctx, s, f); err != nil {
			return journal.Failed, err
		} else if state == Absent {
			continue
		}
		if err := c.delete(ctx, s, f); err != nil {
			return journal.Failed, err
		}
		result = journal.Removed
	}
	return result, nil
}

// delete removes a certificate from a store. The user's view shows those of the
// machine too, which this user may not touch: what counts is that it is gone
// from the place itself, which is seen once the store is closed.
func (c certStore) delete(ctx context.Context, s Store, f Fingerprint) error {
	failed := deleteAll(s.Kind, f)
	switch state, err := c.check(ctx, s, f); {
	case err != nil:
		return errors.Join(failed, err)
	case state != Absent:
		return errors.Join(failed, errStays)
	}
	return nil
}

var errStays = errors.New("the certificate is still there")

func deleteAll(kind Kind, f Fingerprint) error {
	store, err := openStore(kind, false)
	if err != nil {
		return err
	}
	defer windows.CertCloseStore(store, 0)
	var matches []*windows.CertContext
	err = visit(store, func(cert *windows.CertContext) bool {
		if is(cert, f) {
			matches = append(matches, windows.CertDuplicateCertificateContext(cert))
		}
		return true
	})
	errs := []error{err}
	for _, cert := range matches {
		err := windows.CertDeleteCertificateFromStore(cert) // frees it too
		if errors.Is(err, windows.ERROR_CANCELLED) {
			err = ErrDeclined
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
