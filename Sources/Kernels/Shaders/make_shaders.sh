#!/bin/sh
# Compiles the shaders in glsl/ to SPIR-V in spirv/, and writes CShaders.c, which embeds them. `make shaders` runs this.
#
# The SPIR-V is committed, so that slm builds without a shader compiler. A test compiles the sources again and compares.
set -eu
cd "$(dirname "$0")"
output=${1:-spirv}
mkdir -p "$output"
for shader in glsl/*.comp; do
    name=$(basename "$shader" .comp)
    glslangValidator --quiet -g0 --target-env vulkan1.2 -V -o "$output/$name.spv" "$shader"
    spirv-val --target-env vulkan1.2 --scalar-block-layout "$output/$name.spv"
done
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
    echo 'const uint32_t *slm_shader(const char *name, size_t *bytes) {'
    for file in spirv/*.spv; do
        name=$(basename "$file" .spv)
        echo "    if (!strcmp(name, \"$name\")) { *bytes = sizeof $name; return (const uint32_t *)$name; }"
    done
    echo '    return NULL;'
    echo '}'
} > CShaders.c
