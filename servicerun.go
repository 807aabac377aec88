package main

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/platform"
	"altnet/platform/ipc"
	"altnet/platform/service"
)

// runService runs the node of the whole computer until ctx ends or it fails.
func runService(ctx context.Context, o *options, term *terminal) error {
	log, err := o.serviceLog(term.err)
	if err != nil {
		return err
	}
	err = o.hostService(ctx, log)
	if err != nil {
		log.Error("the service ends", "err", err)
	}
	return err
}

func (o *options) hostService(ctx context.Context, log *slog.Logger) error {
	layout := machineLayout()
	cfg, err := o.serviceConfig(ctx, first(o.data, layout.Data), log)
	if err != nil {
		return err
	}
	if err := platform.Private(cfg.Data); err != nil {
		return err
	}
	l, err := ipc.Listen(o.controlFolder(layout))
	if err != nil {
		return err
	}
	node, err := engine.Open(ctx, cfg)
	if err != nil {
		l.Close()
		return err
	}
	defer node.Close()
	return serveService(ctx, node, l, log)
}

// controlFolder is where the control socket lies: beside the data when those
// were put somewhere else.
func (o *options) controlFolder(layout service.Layout) string {
	if o.data != "" {
		return o.data
	}
	return layout.Control
}

func serveService(ctx context.Context, node *engine.Engine, l net.Listener, log *slog.Logger) error {
	ctx, stop := context.WithCancelCause(ctx)
	access := control.Access{Service: true, Operator: operates(machineLayout().Operators, log)}
	var running sync.WaitGroup
	defer running.Wait()
	defer stop(nil) // before Wait
	running.Go(func() {
		stop(control.Serve(ctx, l, node, control.ServerConfig{Identify: identify(access), Log: log}))
	})
	running.Go(func() { stop(node.Run(ctx)) })
	if err := service.Ready(); err != nil {
		log.Warn("the system was not told that the service is up", "err", err)
	}
	if st, err := node.Status(ctx); err == nil {
		log.Info("the service runs", "version", version, "node", st.NodeID, "gateway", st.Doors.Gateway, "dns", st.Doors.DNS)
	}
	<-ctx.Done()
	return ended(ctx)
}

// operates tells operators of the service by the list in file, which counts at
// once when it changes.
func operates(file string, log *slog.Logger) func(string) bool {
	return func(user string) bool {
		operators, err := service.ReadOperators(file)
		if err != nil {
			log.Warn("nobody but administrators may operate the service", "err", err)
		}
		return slices.Contains(operators, user)
	}
}

// serviceConfig is what the flags say, else doors for the whole computer.
func (o *options) serviceConfig(ctx context.Context, data string, log *slog.Logger) (engine.Config, error) {
	o.headless = true
	cfg, err := o.engineConfig(data)
	if err != nil {
		return engine.Config{}, err
	}
	if len(o.listen) == 0 {
		cfg.Listen = []string{unlessBusy(ctx, defaultListen)}
	}
	cfg.Log, cfg.Host, cfg.AskFirst, cfg.System = log, control.HostService, true, machine{log}
	if o.gateway != "" || o.dns != "" {
		return cfg, nil // somebody has chosen
	}
	cfg.Gateway = unlessBusy(ctx, defaultGateway)
	own, err := service.OwnAddress(ctx)
	if err != nil {
		log.Warn("no name server and no port 80: browsers reach sites by the proxy script alone", "err", err)
		return cfg, nil
	}
	cfg.Gateway += "," + net.JoinHostPort(own.String(), "80")
	cfg.GatewayTLS = net.JoinHostPort(own.String(), "443")
	cfg.DNS, cfg.DNSIP, cfg.DNSOnly = net.JoinHostPort(own.String(), "53"), own.String(), true
	return cfg, nil
}

// unlessBusy gives way to another program that listens on an address.
func unlessBusy(ctx context.Context, addr string) string {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		l.Close()
		return addr
	}
	host, _, _ := net.SplitHostPort(addr)
	return net.JoinHostPort(host, "0")
}
