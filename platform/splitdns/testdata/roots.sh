#!/bin/bash
# roots.sh DIR: makes the Debian systems that the real tests run in, about half
# a minute each with a near mirror. Needs root and debootstrap.
set -eu
mirror=${MIRROR:-http://deb.debian.org/debian}
make() { # NAME SUITE PACKAGES
  [ -e "$dir/$1/done" ] && return
  rm -rf --one-file-system "${dir:?}/$1"
  debootstrap --variant=minbase --include="ca-certificates,dbus,bind9-dnsutils,dnsmasq-base,iproute2,$3" "$2" "$dir/$1" "$mirror"
  touch "$dir/$1/done"
}
dir=$1
for suite in bookworm trixie testing; do
  make "$suite" "$suite" systemd-resolved,libnss-resolve
done
make networkmanager bookworm network-manager,systemd-resolved
