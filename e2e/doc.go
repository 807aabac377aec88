// Package e2e drives the real binary: several nodes on loopback, real files,
// kill -9. Everything here is slow and stands behind -e2e; the quick scripts
// of the binary are the testscript ones beside main.
package e2e
