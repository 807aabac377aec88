//go:build linux

package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkStart starts the binary on a folder that was used before, until it
// says that it runs: by then every address is bound and the control socket
// answers.
func BenchmarkStart(b *testing.B) {
	if !*enabled {
		b.Skip("end-to-end: run with -e2e")
	}
	home := b.TempDir()
	for b.Loop() {
		cmd := exec.Command(*binary, "-headless", "-listen", "127.0.0.1:0", "-gateway", "127.0.0.1:0", "-dns", "127.0.0.1:0", "-log-level", "error")
		cmd.Env = append(os.Environ(), "ALTNET_DATA="+filepath.Join(home, "store"), "ALTNET_PROFILE="+filepath.Join(home, "profile"), "HOME="+home)
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		b.StopTimer()
		if err != nil || !strings.HasPrefix(line, "AltNet") {
			b.Errorf("the node says %q, %v", line, err)
		}
		cmd.Process.Kill()
		cmd.Wait()
		b.StartTimer()
	}
}

// BenchmarkBinary builds the stripped binary without the window and reports
// its size.
func BenchmarkBinary(b *testing.B) {
	if !*enabled {
		b.Skip("end-to-end: run with -e2e")
	}
	out := filepath.Join(b.TempDir(), "altnet")
	for b.Loop() {
		build := exec.Command("go", "build", "-tags", "nogui", "-trimpath", "-ldflags", "-s -w", "-o", out, "..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			b.Fatalf("build: %v\n%s", err, text)
		}
	}
	info, err := os.Stat(out)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB")
}
