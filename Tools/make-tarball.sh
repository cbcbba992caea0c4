#!/bin/sh
# make-tarball.sh BINARY DIR     writes DIR/slm-VERSION-ARCH.tar.gz, with the files of `make install`, deploy/ and the list of the packages
#                                that the program needs, and a .sha256 file
set -eu
binary=$1 out=$(realpath "$2")
root=$(cd "$(dirname "$0")/.." && pwd)
version=$("$binary" version | awk '{ print $2; exit }')
name=slm-$version-$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/$name

strip --strip-unneeded -o "$work/slm" "$binary"
"$root/Tools/install.sh" "$work/slm" "$tree" > /dev/null
"$root/Tools/install-deploy.sh" "$tree/deploy"
echo "$version" > "$tree/version"
cp "$root/LICENSE" "$root/NOTICE" "$root/CHANGELOG.md" "$tree"
# One name a line, without versions; of alternatives the first.
"$root/Tools/linked-packages.sh" "$tree/bin/slm" | tr ',' '\n' | sed 's/^ *//; s/[ |(].*//' > "$tree/packages"
# The same sources make the same archive.
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}" \
    -cf - "$name" | gzip -9n > "$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
echo "slm: wrote $out/$name.tar.gz. Set up a machine with it: tar -xzf $name.tar.gz && sudo $name/deploy/setup --help"
