#!/bin/sh
# Compiles the shaders in glsl/ to SPIR-V in spirv/, and writes CShaders.c, which embeds them. `make shaders` runs this.
#
# The SPIR-V is committed, so that slm builds without a shader compiler. A test compiles the sources again and compares. The shaders in
# glsl/cooperative/ need glslang 16 or newer, for matrices of bf16: Debian 12's is too old for them, and leaves them as they are.
set -eu
cd "$(dirname "$0")"
output=${1:-spirv}
mkdir -p "$output"
compile() {
    name=$(basename "$1" .comp)
    glslangValidator --quiet -g0 --target-env "$2" -V -o "$output/$name.spv" "$1"
    spirv-val --target-env "$2" --scalar-block-layout "$output/$name.spv"
}
for shader in glsl/*.comp; do compile "$shader" vulkan1.2; done
version=$(glslangValidator --version | sed -n 's/^Glslang Version: [0-9]*:\([0-9]*\).*/\1/p')
if [ "$version" -ge 16 ]; then
    for shader in glsl/cooperative/*.comp; do compile "$shader" vulkan1.3; done
fi
[ "$output" = spirv ] || exit 0
{
    echo '// Written by make_shaders.sh.'
    echo '#include "CShaders.h"'
    echo '#include <string.h>'
    echo
    echo '#pragma clang diagnostic ignored "-Wc23-extensions"'
    echo
    for file in spirv/*.spv; do
        name=$(basename "$file" .spv)
        echo "_Alignas(4) static const unsigned char $name[] = {"
        echo "#embed \"$file\""
        echo "};"
    done
    echo
    echo 'static const struct { const char *name; const unsigned char *code; size_t bytes; } shaders[] = {'
    for file in spirv/*.spv; do
        name=$(basename "$file" .spv)
        echo "    {\"$name\", $name, sizeof $name},"
    done
    echo '};'
    echo
    echo 'const uint32_t *slm_shader(const char *name, size_t *bytes) {'
    echo '    for (size_t i = 0; i < sizeof shaders / sizeof *shaders; i++)'
    echo '        if (!strcmp(name, shaders[i].name))'
    echo '            return *bytes = shaders[i].bytes, (const uint32_t *)shaders[i].code;'
    echo '    return NULL;'
    echo '}'
} > CShaders.c
