//go:build !linux

package journal

import "os"

func attrs(*os.File) map[string][]byte { return nil }

func setAttrs(*os.File, map[string][]byte) {}
