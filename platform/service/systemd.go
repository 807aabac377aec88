package service

import "fmt"

// SystemdUnit is the unit of a part ("altnet" or "altnet-doors").
func SystemdUnit(executable, name string, args []string) string {
	command := join(append([]string{executable}, args...)...)
	if name == DoorsName {
		return fmt.Sprintf(doorsUnit, mark, command, command)
	}
	return fmt.Sprintf(nodeUnit, mark, command)
}

// hardening is common to both parts.
const hardening = `NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
`

// nodeUnit: the node may do what any user may, below its folder, and listen
// on low ports. The delay between restarts grows from two seconds to five
// minutes (systemd 254 and later; before it stays at two seconds). A wrong
// command line (status 2) will not get better by itself.
const nodeUnit = `# %s
[Unit]
Description=AltNet, a web without servers
Documentation=man:altnet(1)
After=network.target systemd-resolved.service
StartLimitIntervalSec=0

[Service]
Type=notify
User=altnet
Group=altnet
EnvironmentFile=-/etc/default/altnet
ExecStart=%s $ALTNET_FLAGS
Restart=on-failure
RestartSec=2s
RestartSteps=8
RestartMaxDelaySec=5min
RestartPreventExitStatus=2
TimeoutStartSec=10min
TimeoutStopSec=30s
KillMode=mixed
StateDirectory=altnet/node
StateDirectoryMode=0700
RuntimeDirectory=altnet
RuntimeDirectoryMode=0755
UMask=0077
WorkingDirectory=/var/lib/altnet/node
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
LimitNOFILE=65536
MemoryHigh=768M
MemoryMax=1G
TasksMax=512
ProtectKernelTunables=yes
` + hardening + `SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
Also=altnet-doors.service
`

// doorsUnit: the doors write where resolvers and trust stores are set up, make
// a network link and ask resolved over D-Bus. They listen on no network. What
// they make is read by others, such as the user systemd-resolved.
const doorsUnit = `# %s
[Unit]
Description=AltNet, names under .alt for this computer
Documentation=man:altnet(1)
BindsTo=altnet.service
After=altnet.service systemd-resolved.service NetworkManager.service dbus.service
StartLimitIntervalSec=0

[Service]
Type=simple
ExecStart=%s
ExecStopPost=%s cleanup
Restart=on-failure
RestartSec=5s
TimeoutStopSec=30s
ReadWritePaths=/etc -/run/systemd
StateDirectory=altnet
StateDirectoryMode=0755
UMask=0022
CapabilityBoundingSet=CAP_NET_ADMIN CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
IPAddressDeny=any
IPAddressAllow=localhost
MemoryMax=256M
TasksMax=64
` + hardening + `
[Install]
WantedBy=altnet.service
`
