#!/bin/sh
# Compiles the shaders in glsl/ to SPIR-V and writes what CShaders.c embeds: all of them one behind the other in all.spv, and in index.txt
# a line `NAME BYTES` for each, in the same order. `make shaders` runs this; with an argument, it writes the files to that folder.
#
# They are committed, so that slm builds without a shader compiler. A test compiles the sources again and compares. The shaders in
# glsl/cooperative/ need glslang 16 or newer, for matrices of bf16: Debian 12's is too old for them, and leaves them as they are.
set -eu
output=$(cd "${1:-$(dirname "$0")}" && pwd)
cd "$(dirname "$0")"
new=$(mktemp -d)
trap 'rm -r "$new"' EXIT
compile() {
    name=$(basename "$1" .comp)
    glslangValidator --quiet -g0 --target-env "$2" -V -o "$new/$name" "$1"
    spirv-val --target-env "$2" --scalar-block-layout "$new/$name"
}
for shader in glsl/*.comp; do compile "$shader" vulkan1.2; done
version=$(glslangValidator --version | sed -n 's/^Glslang Version: [0-9]*:\([0-9]*\).*/\1/p')
if [ "$version" -ge 16 ]; then
    for shader in glsl/cooperative/*.comp; do compile "$shader" vulkan1.3; done
else
    start=1
    while read -r name bytes; do
        [ ! -e "glsl/cooperative/$name.comp" ] || tail -c "+$start" all.spv | head -c "$bytes" > "$new/$name"
        start=$((start + bytes))
    done < index.txt
fi
cd "$new"
export LC_ALL=C
for name in *; do echo "$name $(wc -c < "$name")"; done > "$output/index.txt.new"
cat ./* > "$output/all.spv"
mv "$output/index.txt.new" "$output/index.txt"
