package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"altnet/engine/control"
)

// showVisits shows what became of a site: visits by day, copies over time.
func showVisits(ctx context.Context, s *session, args []string) error {
	a, err := s.control.Activity(ctx, args[0])
	if err != nil {
		return err
	}
	return s.result(a, func(w io.Writer) { printActivity(w, a) })
}

func printActivity(w io.Writer, a control.Activity) {
	if len(a.Visits) == 0 {
		fmt.Fprintf(w, "No visits through this node in the last %d days.\n", control.ActivityDays)
	} else {
		most := int64(1)
		for _, d := range a.Visits {
			most = max(most, d.Pages)
		}
		table(w, "DAY\tPAGES\tSENT\t", func(row func(...any)) {
			for _, d := range a.Visits {
				row(d.Day, d.Pages, bytesText(d.Bytes), strings.Repeat("#", int(24*d.Pages/most)))
			}
		})
	}
	if len(a.Copies) == 0 {
		return
	}
	fmt.Fprintln(w)
	table(w, "SINCE\tCOPIES ELSEWHERE", func(row func(...any)) {
		for i, c := range a.Copies {
			if i == 0 || c.Copies != a.Copies[i-1].Copies {
				row(timeText(c.Time), c.Copies)
			}
		}
	})
}

// showVisited lists the sites that were opened through this node, or forgets
// them.
func showVisited(ctx context.Context, s *session, _ []string) error {
	if s.opts.clear {
		if err := s.control.ClearVisited(ctx); err != nil {
			return err
		}
		return s.result(struct{}{}, func(w io.Writer) { fmt.Fprintln(w, "The list is empty.") })
	}
	list, err := s.control.Visited(ctx)
	if err != nil {
		return err
	}
	return s.result(nonNil(list), func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "Nothing was opened through this node's gateway.")
			return
		}
		table(w, "NAME\tTITLE\tLAST\tTIMES\tPINNED", func(row func(...any)) {
			for _, v := range list {
				pinned := ""
				if v.Pinned {
					pinned = "pinned"
				}
				row(bothNames(v.Name), printable(v.Title), timeText(v.Last), v.Times, pinned)
			}
		})
		fmt.Fprintln(w, "Whoever may operate this node sees this list; altnet visited -clear empties it.")
	})
}

func blockTarget(ctx context.Context, s *session, args []string) error {
	return setBlocked(ctx, s, args[0], true)
}

func unblockTarget(ctx context.Context, s *session, args []string) error {
	return setBlocked(ctx, s, args[0], false)
}

func setBlocked(ctx context.Context, s *session, target string, on bool) error {
	if err := s.control.SetBlocked(ctx, target, on); err != nil {
		return err
	}
	return s.result(map[string]bool{"blocked": on}, func(w io.Writer) {
		if on {
			fmt.Fprintf(w, "%s is not opened, kept or handed on by this node any more, and what was here of it is erased.\n", target)
			return
		}
		fmt.Fprintf(w, "%s may be opened here again.\n", target)
	})
}

func showBlocked(ctx context.Context, s *session, _ []string) error {
	list, err := s.control.Blocked(ctx)
	if err != nil {
		return err
	}
	return s.result(nonNil(list), func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "Nothing is blocked by hand. What the operator refuses stands in blocklist.txt.")
			return
		}
		table(w, "TARGET\tNAME\tSINCE", func(row func(...any)) {
			for _, b := range list {
				row(b.Target, bothNames(b.Name), timeText(b.Since))
			}
		})
	})
}

// showPreview opens a kept version where nobody else finds it.
func showPreview(ctx context.Context, s *session, args []string) error {
	seq := uint64(0)
	if len(args) > 1 {
		var err error
		if seq, err = parseVersion(args[1]); err != nil {
			return err
		}
	}
	url, err := s.control.Preview(ctx, args[0], seq)
	if err != nil {
		return err
	}
	return s.result(map[string]string{"url": url}, func(w io.Writer) {
		fmt.Fprintf(w, "%s\nOpen for an hour, on this computer only. Whoever has the address on this computer can read it.\n", url)
	})
}

// bothNames is a name as people read it, with what computers write beside it.
func bothNames(name string) string {
	if shown := reads(name); shown != name {
		return shown + " (" + name + ")"
	}
	return name
}
