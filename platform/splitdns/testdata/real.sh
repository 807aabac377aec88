#!/bin/bash
# real.sh ROOT COMMAND…: runs COMMAND in a throw-away copy of the system ROOT, with
# a network of its own, a name server upstream that logs what it is asked
# (/var/log/upstream.log), D-Bus and systemd-resolved. Run it as
#   unshare --net --mount --pid --fork --kill-child real.sh …
# RESOLVER=resolved (as Debian sets it up), plain (resolv.conf names the upstream)
# or networkmanager (with a dnsmasq that it runs).
set -eu
root=$1; shift
resolver=${RESOLVER:-resolved}
mount --make-rprivate /
mount -t proc proc /proc # of the new process namespace
work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
mkdir "$work"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" "$work/root"
R=$work/root
mount -t proc proc "$R/proc"
mount -t tmpfs tmpfs "$R/run"
mount -t tmpfs tmpfs "$R/tmp"
mount -t sysfs sysfs "$R/sys"
mount --rbind /dev "$R/dev"
mkdir -p "$R/run/systemd/resolve" "$R/run/dbus" "$R/opt/altnet"
mount --bind "$(dirname "$1")" "$R/opt/altnet"
chroot "$R" chown systemd-resolve:systemd-resolve /run/systemd/resolve

ip link set lo up
unshare --net sleep 10000 & upstream=$!
until [ "$(readlink /proc/$upstream/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link add wan0 type veth peer name wan1 netns "$upstream"
ip addr add 10.0.0.2/24 dev wan0; ip link set wan0 up
nsenter -t "$upstream" -n ip addr add 10.0.0.53/24 dev wan1
nsenter -t "$upstream" -n ip link set wan1 up
ip route add default via 10.0.0.53
nsenter -t "$upstream" -n chroot "$R" dnsmasq --conf-file=/dev/null --user=root --no-resolv --no-hosts --pid-file= \
  --listen-address=10.0.0.53 --bind-interfaces --log-queries --log-facility=/var/log/upstream.log \
  --address=/#/192.0.2.1 --address=/alt/192.0.2.66

chroot "$R" dbus-daemon --system --nopidfile --fork
rm -f "$R/etc/resolv.conf"
case $resolver in
resolved)
  ln -s ../run/systemd/resolve/stub-resolv.conf "$R/etc/resolv.conf"
  sed -i 's/^hosts:.*/hosts: files resolve [!UNAVAIL=return] dns/' "$R/etc/nsswitch.conf"
  cat >"$R/usr/local/bin/start-resolver" <<'EOF'
#!/bin/bash
# starts systemd-resolved anew and returns when it has its upstream server
[ -e /run/resolved.pid ] && kill "$(cat /run/resolved.pid)" 2>/dev/null && while kill -0 "$(cat /run/resolved.pid)" 2>/dev/null; do :; done
/usr/lib/systemd/systemd-resolved </dev/null >>/var/log/resolved.log 2>&1 & echo $! >/run/resolved.pid
until resolvectl dns wan0 10.0.0.53 2>/dev/null; do :; done
resolvectl default-route wan0 yes
EOF
  ;;
plain)
  echo nameserver 10.0.0.53 >"$R/etc/resolv.conf"
  sed -i 's/^hosts:.*/hosts: files dns/' "$R/etc/nsswitch.conf"
  printf '#!/bin/sh\n' >"$R/usr/local/bin/start-resolver"
  ;;
networkmanager)
  mount -o remount,ro "$R/sys" # so that it does not wait for udev
  printf '[main]\ndns=dnsmasq\nplugins=keyfile\nrc-manager=file\n[global-dns-domain-*]\nservers=10.0.0.53\n' >"$R/etc/NetworkManager/NetworkManager.conf"
  sed -i 's/^hosts:.*/hosts: files dns/' "$R/etc/nsswitch.conf"
  echo nameserver 192.0.2.9 >"$R/etc/resolv.conf"
  cat >"$R/usr/local/bin/start-resolver" <<'EOF'
#!/bin/bash
# starts NetworkManager anew and returns when its dnsmasq answers
[ -e /run/manager.pid ] && kill "$(cat /run/manager.pid)" 2>/dev/null && while kill -0 "$(cat /run/manager.pid)" 2>/dev/null; do sleep 0.05; done
mkdir -p /run/NetworkManager
NetworkManager --no-daemon </dev/null >>/var/log/NetworkManager.log 2>&1 & echo $! >/run/manager.pid
for i in $(seq 200); do
  grep -q 127.0.0.1 /etc/resolv.conf && getent ahostsv4 start.example.com >/dev/null && exit 0
  sleep 0.1
done
tail -n 30 /var/log/NetworkManager.log; exit 1
EOF
  ;;
esac
cat >"$R/usr/local/bin/as-service" <<'EOF'
#!/bin/bash
# runs a command with the rights that the unit of the doors leaves it: a
# read-only system but for a few folders, four capabilities, nothing to gain
[ "$1" = inner ] || exec unshare --mount --propagation private "$0" inner "$@"
shift
set -e
for folder in /etc /run/systemd /var/lib/altnet; do mount --bind "$folder" "$folder"; done
for top in / /run; do mount -o remount,bind,ro "$top"; done
umask 0022
keep=-all,+net_admin,+dac_override,+chown,+fowner
exec setpriv --no-new-privs --bounding-set "$keep" --inh-caps "$keep" "$@"
EOF
chmod 755 "$R/usr/local/bin/start-resolver" "$R/usr/local/bin/as-service"
mkdir -m 755 "$R/var/lib/altnet"
chroot "$R" /usr/local/bin/start-resolver
status=0
program=$(basename "$1"); shift
chroot "$R" env HOME=/root PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin "/opt/altnet/$program" "$@" || status=$?
[ $status = 0 ] || tail -n 20 "$R"/var/log/resolved.log 2>/dev/null || true
exit $status
