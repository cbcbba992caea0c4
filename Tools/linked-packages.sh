#!/bin/sh
# linked-packages.sh BINARY      prints the Debian packages that slm needs, as in a Depends field: first those that the binary links, with the
#                                versions that its symbols need, then those that it opens at run time
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
binary=$(realpath "$1")
mkdir "$work/debian"
printf 'Source: slm\n\nPackage: slm\nArchitecture: any\n' > "$work/debian/control"
linked=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$binary" 2> /dev/null | sed 's/^shlibs:Depends=//')
echo "$linked, libopenblas0-pthread | libopenblas0, liblapacke, libcurl4, libpq5, libncursesw6"
