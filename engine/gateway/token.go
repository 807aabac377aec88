package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// Purposes of tokens, and the query parameters some of them travel in.
const (
	tokenOpen   = "altnet-open"  // the reader sees the waiting page of this name
	tokenCopy   = "altnet-copy"  // the reader wants the local copy
	tokenClean  = "altnet-clean" // the former owner's data was cleared
	tokenReview = "review"       // the link to the question about a new owner
	tokenAccept = "accept"       // the button below that question
)

const tokenLife = time.Hour

// tokens proves that a request comes from a page this process showed. Nothing
// is stored: a token is its end and a MAC.
type tokens struct{ secret [32]byte }

func (t tokens) mint(purpose, subject string, now time.Time) string {
	var raw [8 + 16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(now.Add(tokenLife).Unix()))
	copy(raw[8:], t.mac(purpose, subject, raw[:8]))
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func (t tokens) valid(purpose, subject, token string, now time.Time) bool {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 8+16 {
		return false
	}
	ends := binary.BigEndian.Uint64(raw[:8])
	return hmac.Equal(raw[8:], t.mac(purpose, subject, raw[:8])) && uint64(now.Unix()) < ends
}

func (t tokens) mac(purpose, subject string, ends []byte) []byte {
	m := hmac.New(sha256.New, t.secret[:])
	m.Write([]byte(purpose + "\x00" + subject + "\x00"))
	m.Write(ends)
	return m.Sum(nil)[:16]
}
