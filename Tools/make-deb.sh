#!/bin/sh
# make-deb.sh BINARY DIR         writes DIR/slm_VERSION_ARCH.deb
set -eu
binary=$1 out=$2
root=$(cd "$(dirname "$0")/.." && pwd)
version=$("$binary" version | awk '{ print $2; exit }')
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree

strip --strip-unneeded -o "$work/slm" "$binary"
"$root/Tools/install.sh" "$work/slm" "$tree/usr" > /dev/null
gzip -9n "$tree"/usr/share/man/man1/*.1
mv "$tree/usr/share/zsh/site-functions" "$tree/usr/share/zsh/vendor-completions"     # Debian's directory for packages
documentation=$tree/usr/share/doc/slm
install -d "$documentation"
install -m 644 "$root/NOTICE" "$documentation/copyright"
{ echo; cat "$root/LICENSE"; } >> "$documentation/copyright"
gzip -9nc "$root/CHANGELOG.md" > "$documentation/changelog.gz"

"$root/Tools/install-deploy.sh" "$tree/usr/share/slm/deploy"
install -d "$tree/DEBIAN"
cat > "$tree/DEBIAN/control" <<END
Package: slm
Version: $version
Architecture: $architecture
Maintainer: The slm authors <slm@localhost>
Installed-Size: $(du -ks "$tree/usr" | cut -f1)
Depends: $("$root/Tools/linked-packages.sh" "$tree/usr/bin/slm")
Recommends: libdnnl2
Suggests: poppler-utils, libvulkan1
Section: science
Priority: optional
Description: train and serve small language models on a CPU
 slm trains BPE tokenizers and GPT models on chats, fine-tunes them with or
 without LoRA, evaluates, imports, exports and quantizes them, and serves a
 chat page and an OpenAI-compatible API with SQLite or PostgreSQL.
END
package=$out/slm_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" > /dev/null
echo "slm: wrote $package. Install it with: sudo apt-get install ./$package"
