package control

import "context"

// person registers what a person's window and commands ask for besides sites
// and the network.
func (s *server) person(c Control) {
	handle(s, "settings", func(ctx context.Context, _ nothing) (Settings, error) { return c.Settings(ctx) })
	handle(s, "set-settings", func(ctx context.Context, in Settings) (nothing, error) { return nothing{}, c.SetSettings(ctx, in) })
	handle(s, "pause", func(ctx context.Context, in untilIn) (nothing, error) { return nothing{}, c.Pause(ctx, in.Until) })
	handle(s, "forget", func(ctx context.Context, _ nothing) (int64, error) { return c.Forget(ctx) })
	handle(s, "logs", func(ctx context.Context, _ nothing) ([]LogLine, error) { return c.Logs(ctx) })
	handle(s, "activity", func(ctx context.Context, in nameIn) (Activity, error) { return c.Activity(ctx, in.Name) })
	handle(s, "visited", func(ctx context.Context, _ nothing) ([]Visited, error) { return c.Visited(ctx) })
	handle(s, "clear-visited", func(ctx context.Context, _ nothing) (nothing, error) { return nothing{}, c.ClearVisited(ctx) })
	handle(s, "block", func(ctx context.Context, in blockIn) (nothing, error) {
		return nothing{}, c.SetBlocked(ctx, in.Target, in.Blocked)
	})
	handle(s, "blocked", func(ctx context.Context, _ nothing) ([]Blocked, error) { return c.Blocked(ctx) })
	handle(s, "preview", func(ctx context.Context, in versionIn) (string, error) { return c.Preview(ctx, in.Name, in.Seq) })
}
