package control

import "context"

// network registers what concerns the node as a whole.
func (s *server) network(c Control) {
	handle(s, "peers", operators, func(ctx context.Context, _ nothing) ([]Peer, error) { return c.Peers(ctx) })
	handle(s, "online", operators, func(ctx context.Context, in onlineIn) (nothing, error) { return nothing{}, c.SetOnline(ctx, in.Online) })
	handle(s, "connect", operators, func(ctx context.Context, in nameIn) (Peer, error) { return c.Connect(ctx, in.Name) })
	handle(s, "ping", operators, func(ctx context.Context, in nameIn) (Pong, error) { return c.Ping(ctx, in.Name) })
	handle(s, "find", operators, func(ctx context.Context, in nameIn) (Found, error) { return c.Find(ctx, in.Name) })
	handle(s, "settings", users, func(ctx context.Context, _ nothing) (Settings, error) { return c.Settings(ctx) })
	handle(s, "set-settings", operators, func(ctx context.Context, in Settings) (nothing, error) { return nothing{}, c.SetSettings(ctx, in) })
	handle(s, "pause", operators, func(ctx context.Context, in untilIn) (nothing, error) { return nothing{}, c.Pause(ctx, in.Until) })
	handle(s, "forget", operators, func(ctx context.Context, _ nothing) (int64, error) { return c.Forget(ctx) })
	handle(s, "logs", operators, func(ctx context.Context, _ nothing) ([]LogLine, error) { return c.Logs(ctx) })
	handle(s, "prove-gateway", users, func(ctx context.Context, _ nothing) ([]string, error) { return c.ProveGateway(ctx) })
	handle(s, "block", operators, func(ctx context.Context, in blockIn) (nothing, error) {
		return nothing{}, c.SetBlocked(ctx, in.Target, in.Blocked)
	})
	handle(s, "blocked", operators, func(ctx context.Context, _ nothing) ([]Blocked, error) { return c.Blocked(ctx) })
}

// sites registers what a user does with sites.
func (s *server) sites(c Control) {
	handle(s, "publish", users, func(ctx context.Context, in PublishRequest) (Receipt, error) { return c.Publish(ctx, in) })
	handle(s, "withdraw", users, func(ctx context.Context, in PublishRequest) (Receipt, error) { return c.Withdraw(ctx, in) })
	handle(s, "receipt", users, func(ctx context.Context, in nameIn) (Receipt, error) { return c.Receipt(ctx, in.Name) })
	handle(s, "sites", users, func(ctx context.Context, _ nothing) ([]Site, error) { return c.Sites(ctx) })
	handle(s, "versions", users, func(ctx context.Context, in nameIn) ([]Version, error) { return c.Versions(ctx, in.Name) })
	handle(s, "drop-version", users, func(ctx context.Context, in versionIn) (nothing, error) {
		return nothing{}, c.DropVersion(ctx, in.Name, in.Seq)
	})
	handle(s, "resolve", users, func(ctx context.Context, in nameIn) (Resolution, error) { return c.Resolve(ctx, in.Name) })
	handle(s, "accept", users, func(ctx context.Context, in nameIn) (nothing, error) { return nothing{}, c.Accept(ctx, in.Name) })
	handle(s, "pin", users, func(ctx context.Context, in pinIn) (nothing, error) {
		return nothing{}, c.SetPinned(ctx, in.Name, in.Pinned)
	})
}

// person registers what a user's window shows besides.
func (s *server) person(c Control) {
	handle(s, "activity", users, func(ctx context.Context, in nameIn) (Activity, error) { return c.Activity(ctx, in.Name) })
	handle(s, "visited", users, func(ctx context.Context, _ nothing) ([]Visited, error) {
		if CallerFrom(ctx).OneOfMany() {
			return nil, nil
		}
		return c.Visited(ctx)
	})
	handle(s, "clear-visited", users, func(ctx context.Context, _ nothing) (nothing, error) {
		if CallerFrom(ctx).OneOfMany() {
			return nothing{}, nil
		}
		return nothing{}, c.ClearVisited(ctx)
	})
	handle(s, "preview", users, func(ctx context.Context, in versionIn) (string, error) { return c.Preview(ctx, in.Name, in.Seq) })
}
