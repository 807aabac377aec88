#!/bin/bash
# roots.sh DIR: makes the Debian systems that the real tests run in, about half
# a minute each with a near mirror. Needs root and debootstrap.
set -eu
mirror=${MIRROR:-http://deb.debian.org/debian}
for suite in bookworm trixie testing; do
  [ -e "$1/$suite/done" ] && continue
  rm -rf --one-file-system "${1:?}/$suite"
  debootstrap --variant=minbase \
    --include=ca-certificates,systemd-resolved,libnss-resolve,dbus,bind9-dnsutils,dnsmasq-base,iproute2 \
    "$suite" "$1/$suite" "$mirror"
  touch "$1/$suite/done"
done
