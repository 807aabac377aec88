package control

import (
	"bytes"
	"context"
)

// StoreFrames stores an upload.
func StoreFrames(c Control, body []byte) {
	up := upload{body: bytes.NewReader(body)}
	c.PutBlocks(context.Background(), up.frames())
}
