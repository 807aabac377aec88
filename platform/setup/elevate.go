package setup

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Means is what there is to ask an administrator with.
type Means struct {
	GOOS     string
	Root     bool // the process is an administrator's already
	Terminal bool // a person types
	Display  bool // a desktop can show a prompt
	LookPath func(string) (string, error)
}

// Elevation returns the command that runs program with args as an
// administrator and waits for it: one prompt, or none for root. On Windows it
// is empty: there Elevate asks the system itself. ErrNoAdministrator.
func Elevation(m Means, program string, args ...string) ([]string, error) {
	command := append([]string{program}, args...)
	switch {
	case m.Root:
		return command, nil
	case m.GOOS == "windows":
		return nil, nil
	case m.GOOS == "darwin" && m.Display:
		return []string{"/usr/bin/osascript", "-e", "do shell script " + appleScript(shellWords(command)) + " with administrator privileges"}, nil
	}
	var ways [][]string
	if m.Display && m.GOOS != "darwin" {
		ways = append(ways, []string{"pkexec"})
	}
	if m.Terminal {
		ways = append(ways, []string{"sudo", "--"}, []string{"doas", "--"})
	}
	for _, way := range ways {
		if path, err := m.LookPath(way[0]); err == nil {
			return append(append([]string{path}, way[1:]...), command...), nil
		}
	}
	return nil, ErrNoAdministrator
}

// shellWords quotes a command for sh.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

// appleScript quotes a text for AppleScript.
func appleScript(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// Elevate runs program with args as an administrator and waits until it has
// ended. start prepares the command: where it reads and writes. ErrDeclined,
// ErrNoAdministrator.
func Elevate(ctx context.Context, m Means, start func(*exec.Cmd), program string, args ...string) error {
	command, err := Elevation(m, program, args...)
	if err != nil {
		return err
	}
	if len(command) == 0 {
		return runAs(ctx, program, args)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	if start != nil {
		start(cmd)
	}
	var said strings.Builder
	if cmd.Stderr == nil {
		cmd.Stderr = &said
	}
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if no := answered(command[0], exit.ExitCode(), said.String()); no != nil {
			return no
		}
	}
	if err != nil {
		return fmt.Errorf("run %s as administrator: %w %s", program, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// answered recognises a person's no, and that nobody could be asked: pkexec has
// statuses of its own for it (126 dismissed, 127 not authorised), AppleScript
// an error number. Nil is for what the program itself came to.
func answered(asker string, status int, said string) error {
	switch {
	case strings.HasSuffix(asker, "pkexec") && status == 127 && strings.Contains(said, "No authentication agent"):
		return ErrNoAdministrator
	case strings.HasSuffix(asker, "pkexec") && (status == 126 || status == 127), strings.HasSuffix(asker, "osascript") && strings.Contains(said, "-128"):
		return ErrDeclined
	}
	return nil
}
