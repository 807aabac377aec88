#!/bin/sh
# Takes a picture of every screen of the window, in a home of its own, with
# three nodes on loopback: tour.sh PICTURES [LANGUAGE THEME SCALE].
# Needs Xvfb, openbox, dbus-daemon, ImageMagick's import, curl and an ordinary
# user: what the window sets up for browsing is real.
set -eu
if [ "$(id -u)" = 0 ]; then
	echo "tour.sh: not as root: it would set up the whole computer" >&2
	exit 1
fi
mkdir -p "$1"
pictures=$(realpath "$1") language=${2:-en} theme=${3:-light} scale=${4:-1}
altnet=${ALTNET:-} tour=${TOUR:-}
work=$(mktemp -d)
pids=
end() {
	for pid in $pids; do kill "$pid" 2>/dev/null || :; done
	wait
	rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM

if [ -z "$tour" ]; then
	repository=$(cd "$(dirname "$0")/../.." && pwd)
	altnet=$work/altnet tour=$work/tour
	(cd "$repository" && CGO_ENABLED=1 go build -trimpath -ldflags '-s -w' -o "$altnet" . && CGO_ENABLED=1 go test -tags tour -c -o "$tour" .)
fi

# No browser opens in front of the window.
mkdir "$work/bin"
ln -s /bin/true "$work/bin/xdg-open"

# A home, with sites to publish.
home=${TOUR_HOME:-$work/home}
mkdir -p "$home/run" "$home/Websites"
chmod 700 "$home/run"
sites=$home/Websites
mkdir -p "$sites/garden/pictures" "$sites/garden/.git" "$sites/Fotos von früher" "$sites/con" "$sites/empty"
echo '<!doctype html><title>My garden</title><h1>My garden</h1>' >"$sites/garden/index.html"
echo secret >"$sites/garden/.env"
echo ref >"$sites/garden/.git/HEAD"
head -c 60000000 /dev/urandom >"$sites/garden/pictures/roses.jpg"
head -c 2000000 /dev/urandom >"$sites/Fotos von früher/strand.jpg"
echo x >"$sites/con/con.txt"
echo '<title>x</title>' >"$sites/con/index.html"

export HOME="$home" XDG_RUNTIME_DIR="$home/run" LIBGL_ALWAYS_SOFTWARE=1 PATH="$work/bin:$PATH" LANG="${language}_XX.UTF-8"
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_STATE_HOME WAYLAND_DISPLAY

mkfifo "$work/display" "$work/bus"
Xvfb "${TOUR_DISPLAY:-:72}" -displayfd 3 -screen 0 1366x768x24 -nolisten tcp 3>"$work/display" 2>/dev/null &
pids="$pids $!"
read -r display <"$work/display"
export DISPLAY=":$display"
dbus-daemon --session --nofork --print-address=3 3>"$work/bus" &
pids="$pids $!"
read -r DBUS_SESSION_BUS_ADDRESS <"$work/bus"
export DBUS_SESSION_BUS_ADDRESS
openbox &
pids="$pids $!"

# Two other computers, one with a site.
node() { # NAME PORT
	"$altnet" -headless -data "$work/$1" -profile "$work/$1.profile" -listen "127.0.0.1:$2" -gateway 127.0.0.1:0 >"$work/$1.log" 2>&1 &
	pids="$pids $!"
	for _ in $(seq 100); do
		"$altnet" -data "$work/$1" -profile "$work/$1.profile" status >/dev/null 2>&1 && return
		sleep 0.1
	done
	cat "$work/$1.log" >&2
	exit 1
}
of() { name=$1; shift; "$altnet" -data "$work/$name" -profile "$work/$name.profile" "$@" >/dev/null; }
base=${TOUR_PORT:-41720}
node b $((base + 1))
node c $((base + 2))
of b bootstrap "127.0.0.1:$((base + 2))"
mkdir "$work/library"
echo '<!doctype html><title>Stadtbücherei</title>Bücher' >"$work/library/index.html"
of b publish "$work/library" stadtbücherei

"$altnet" agent -listen "127.0.0.1:$base" -gateway "127.0.0.1:$((base + 3))" >"$work/agent.log" 2>&1 &
agent=$!
pids="$pids $agent"
for _ in $(seq 100); do
	"$altnet" status >/dev/null 2>&1 && break
	sleep 0.1
done
profile=$(find "$home" -type d -name profile | head -n 1)
printf '{"language":"%s","theme":"%s"}' "$language" "$theme" >"$profile/desktop.json"

ln -s "$tour" "$work/tour" 2>/dev/null || :
export FYNE_SCALE="$scale" TOUR_LANGUAGE="$language" TOUR_PICTURES="$pictures" TOUR_SITES="$sites" TOUR_AGENT="$agent"
export TOUR_FRIEND=stadtbücherei.alt TOUR_GATEWAY="127.0.0.1:$((base + 3))" TOUR_PEERS="127.0.0.1:$((base + 1)) 127.0.0.1:$((base + 2))"
"$work/tour"
