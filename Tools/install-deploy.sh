#!/bin/sh
# install-deploy.sh DIR          copies what a machine needs that runs slm: setup, update, units, Caddyfile, monitoring
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
install -d "$1" "$1/systemd" "$1/monitoring"
install -m 755 "$root/deploy/setup" "$root/deploy/update" "$1"
install -m 644 "$root/deploy/Caddyfile" "$1"
install -m 644 "$root"/deploy/systemd/* "$1/systemd"
install -m 644 "$root"/deploy/monitoring/* "$1/monitoring"
