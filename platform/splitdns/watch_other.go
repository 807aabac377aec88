//go:build !linux

package splitdns

import "context"

// Restarts sends whenever the system's resolver was started anew; this system
// does not tell, and network changes suffice.
func Restarts(context.Context) (<-chan struct{}, error) { return nil, nil }
