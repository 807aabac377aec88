package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"altnet/engine/control"
)

// setting is one word of altnet settings.
type setting struct {
	key   string
	brief string
	show  func(control.Settings) string
	set   func(*control.Settings, string) error
}

// settingWords lists all of them in the order in which they are shown.
func settingWords() []setting {
	return []setting{
		sizeSetting("disk", "most disk space for sites", "", func(s *control.Settings) *int64 { return &s.DiskBudget }),
		sizeSetting("up", "most bytes a second to peers", "/s", func(s *control.Settings) *int64 { return &s.UpLimit }),
		sizeSetting("down", "most bytes a second from peers", "/s", func(s *control.Settings) *int64 { return &s.DownLimit }),
		sizeSetting("month", "most traffic in a calendar month, both ways together", "", func(s *control.Settings) *int64 { return &s.MonthLimit }),
		switchSetting("battery", "pause while this computer runs on its battery", func(s *control.Settings) *bool { return &s.PauseOnBattery }),
		switchSetting("metered", "pause while the network is paid for by the byte", func(s *control.Settings) *bool { return &s.PauseOnMetered }),
		switchSetting("volunteer", "keep other people's sites", func(s *control.Settings) *bool { return &s.Volunteer }),
		{
			"share", "hand visited sites on: never, visiting or always",
			func(s control.Settings) string { return string(s.Share) },
			func(s *control.Settings, v string) error { s.Share = control.Share(strings.ToLower(v)); return nil },
		},
		switchSetting("https", "the root certificate is trusted here: http leads to https", func(s *control.Settings) *bool { return &s.HTTPS }),
		{
			"accepted", "this computer may be a peer: it passes on and keeps what others publish",
			func(s control.Settings) string { return timeText(s.Accepted) },
			setAccepted,
		},
	}
}

func sizeSetting(key, brief, per string, field func(*control.Settings) *int64) setting {
	return setting{
		key, brief,
		func(s control.Settings) string {
			if n := *field(&s); n > 0 {
				return bytesText(n) + per
			}
			return "no limit"
		},
		func(s *control.Settings, v string) error {
			if word := strings.ToLower(v); word == "none" || word == "no" || word == "off" || word == "0" {
				*field(s) = 0
				return nil
			}
			n, err := humanize.ParseBytes(strings.TrimSuffix(v, "/s"))
			if err != nil || n > 1<<60 {
				return usagef("%q is not a size such as 500MB or 10GB, or none", v)
			}
			*field(s) = int64(n)
			return nil
		},
	}
}

func switchSetting(key, brief string, field func(*control.Settings) *bool) setting {
	return setting{
		key, brief,
		func(s control.Settings) string { return yesNo(*field(&s)) },
		func(s *control.Settings, v string) (err error) {
			*field(s), err = parseSwitch(v)
			return err
		},
	}
}

func setAccepted(s *control.Settings, v string) error {
	yes, err := parseSwitch(v)
	switch {
	case err != nil:
		return err
	case !yes:
		s.Accepted = time.Time{}
	case s.Accepted.IsZero():
		s.Accepted = time.Now().UTC().Truncate(time.Second)
	}
	return nil
}

func parseSwitch(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "yes", "on", "true", "1":
		return true, nil
	case "no", "off", "false", "0":
		return false, nil
	}
	return false, usagef("%q is neither yes nor no", v)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// settings shows what may be changed while the node runs, or changes it.
func settings(ctx context.Context, s *session, args []string) error {
	now, err := s.control.Settings(ctx)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		if len(args) != 2 {
			return usagef("use: altnet settings [KEY VALUE]")
		}
		if err := change(&now, args[0], args[1]); err != nil {
			return err
		}
		if err := s.control.SetSettings(ctx, now); err != nil {
			return err
		}
	}
	return s.result(now, func(w io.Writer) { printSettings(w, now) })
}

// change sets the setting of a key.
func change(s *control.Settings, key, value string) error {
	var keys []string
	for _, word := range settingWords() {
		if word.key == key {
			return word.set(s, value)
		}
		keys = append(keys, word.key)
	}
	return usagef("there is no setting %q; there are %s", printable(key), strings.Join(keys, ", "))
}

func printSettings(w io.Writer, s control.Settings) {
	table(w, "SETTING\tVALUE\tMEANING", func(row func(...any)) {
		for _, word := range settingWords() {
			row(word.key, word.show(s), word.brief)
		}
	})
}

// pauseFor is how long a pause lasts when nothing else is said.
const pauseFor = time.Hour

func pause(ctx context.Context, s *session, args []string) error {
	length := pauseFor
	if len(args) > 0 {
		var err error
		if length, err = time.ParseDuration(args[0]); err != nil || length <= 0 {
			return usagef("%q is not a time such as 30m or 8h", printable(args[0]))
		}
	}
	until := time.Now().Add(length)
	if err := s.control.Pause(ctx, until); err != nil {
		return err
	}
	return s.result(map[string]time.Time{"until": until}, func(w io.Writer) {
		fmt.Fprintf(w, "Nothing goes to peers or comes from them until %s. End it before with: altnet resume\n", timeText(until))
	})
}

func resume(ctx context.Context, s *session, _ []string) error {
	if err := s.control.Pause(ctx, time.Time{}); err != nil {
		return err
	}
	return s.result(map[string]bool{"paused": false}, func(w io.Writer) { fmt.Fprintln(w, "The pause is over.") })
}

func logs(ctx context.Context, s *session, _ []string) error {
	lines, err := s.control.Logs(ctx)
	if err != nil {
		return err
	}
	return s.result(nonNil(lines), func(w io.Writer) {
		for _, l := range lines {
			fmt.Fprintf(w, "%s %-5s %s\n", l.Time.Local().Format(time.DateTime), l.Level, printable(l.Text))
		}
	})
}

func forget(ctx context.Context, s *session, _ []string) error {
	freed, err := s.control.Forget(ctx)
	if err != nil {
		return err
	}
	return s.result(map[string]int64{"freed": freed}, func(w io.Writer) {
		fmt.Fprintf(w, "Erased what was kept for others and what was only read: %s. Your own and your pinned sites are untouched.\n", bytesText(freed))
	})
}

// pauseText says why a node that is to be online has no peers.
func pauseText(p *control.Paused) string {
	why := map[control.PauseReason]string{
		control.PauseUser: "as you asked", control.PauseBattery: "on battery",
		control.PauseMetered: "on a metered network", control.PauseMonth: "the month's traffic is used up",
	}[p.Reason]
	if p.Until.IsZero() {
		return fmt.Sprintf("paused (%s)", why)
	}
	return fmt.Sprintf("paused until %s (%s)", timeText(p.Until), why)
}
