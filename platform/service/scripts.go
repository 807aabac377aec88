package service

import (
	"fmt"
	"strings"
)

// SysvScript starts the node where neither systemd nor OpenRC is. The doors
// are not for such systems: their resolvers cannot be told about .alt alone.
func SysvScript(executable string, args []string) string {
	return fmt.Sprintf(sysv, mark, join(append([]string{executable}, args...)...))
}

const sysv = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          altnet
# Required-Start:    $remote_fs $network
# Required-Stop:     $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: AltNet, a web without servers
### END INIT INFO
# %s

pidfile=/run/altnet.pid
log=/var/log/altnet.log
[ ! -r /etc/default/altnet ] || . /etc/default/altnet

alive() { [ -s $pidfile ] && kill -0 "$(cat $pidfile)" 2>/dev/null; }

# again keeps the node running, with a growing delay between attempts.
again() {
	delay=2
	while :; do
		setpriv --reuid=altnet --regid=altnet --clear-groups --no-new-privs \
			--inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service --bounding-set=-all,+net_bind_service \
			%s $ALTNET_FLAGS &
		node=$!
		trap 'kill -TERM $node; wait $node; exit 0' TERM
		wait $node
		case $? in 0|2) exit ;; esac
		sleep $delay &
		wait $!
		delay=$((delay * 2)); [ $delay -le 300 ] || delay=300
	done
}

case "$1" in
start)
	alive && exit 0
	install -d -o altnet -g altnet -m 0755 /run/altnet
	install -d -m 0755 /var/lib/altnet
	install -d -o altnet -g altnet -m 0700 /var/lib/altnet/node
	( again ) >>$log 2>&1 </dev/null &
	echo $! >$pidfile
	;;
stop)
	alive || exit 0
	kill -TERM "$(cat $pidfile)"
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		alive || break
		sleep 1
	done
	alive && kill -KILL "$(cat $pidfile)"
	rm -f $pidfile
	;;
restart|force-reload)
	$0 stop
	$0 start
	;;
status)
	if alive; then echo "Running"; else echo "Stopped"; exit 3; fi
	;;
*)
	echo "usage: $0 start|stop|restart|status"
	exit 2
	;;
esac
`

// OpenRCScript starts the node under OpenRC's own supervisor.
func OpenRCScript(executable string, args []string) string {
	return fmt.Sprintf(openrc, mark, executable, strings.ReplaceAll(join(args...), `"`, `\"`))
}

const openrc = `#!/sbin/openrc-run
# %s
name="AltNet"
description="AltNet, a web without servers"
supervisor=supervise-daemon
command="%s"
command_args="%s $ALTNET_FLAGS"
command_user="altnet:altnet"
capabilities="^cap_net_bind_service"
no_new_privs=yes
respawn_delay=5
respawn_max=0
output_log=/var/log/altnet.log
error_log=/var/log/altnet.log

depend() {
	need net
	after firewall
}

start_pre() {
	checkpath -d -o altnet:altnet -m 0755 /run/altnet
	checkpath -d -m 0755 /var/lib/altnet
	checkpath -d -o altnet:altnet -m 0700 /var/lib/altnet/node
	checkpath -f -o altnet:altnet -m 0640 /var/log/altnet.log
}
`

// LaunchdPlist is the daemon of a part on macOS. launchd starts it anew
// whenever it fails, at least ten seconds after the last start.
func LaunchdPlist(executable, name string, args []string) string {
	var words strings.Builder
	for _, w := range append([]string{executable}, args...) {
		fmt.Fprintf(&words, "\t\t<string>%s</string>\n", escapeXML(w))
	}
	user, mask := "\t<key>UserName</key>\n\t<string>_altnet</string>\n\t<key>GroupName</key>\n\t<string>_altnet</string>\n", 0o077
	if name == DoorsName {
		user, mask = "", 0o022 // others read what the doors make
	}
	return fmt.Sprintf(launchd, mark, launchdLabel(name), words.String(), user, mask, name, name)
}

// launchdState reads what launchctl print says of a daemon. Its own state comes
// before those of its parts.
func launchdState(text string) State {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " = ")
		if _, twice := values[name]; found && !twice {
			values[name] = value
		}
	}
	switch exit := values["last exit code"]; {
	case values["state"] == "running":
		return Running
	case exit == "" || exit == "0" || strings.HasPrefix(exit, "("): // (never exited)
		return Stopped
	}
	return Failed
}

// launchdLabel is what launchd calls a part.
func launchdLabel(name string) string { return "org.altnet." + name }

func escapeXML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(s)
}

const launchd = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- %s -->
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>%s</string>
	<key>ProgramArguments</key>
	<array>
%s	</array>
%s	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>10</integer>
	<key>ExitTimeOut</key>
	<integer>30</integer>
	<key>Umask</key>
	<integer>%d</integer>
	<key>SoftResourceLimits</key>
	<dict>
		<key>NumberOfFiles</key>
		<integer>10240</integer>
	</dict>
	<key>StandardOutPath</key>
	<string>/Library/Logs/AltNet/%s.log</string>
	<key>StandardErrorPath</key>
	<string>/Library/Logs/AltNet/%s.log</string>
</dict>
</plist>
`
