#!/bin/sh
# Compares the kernels that tests ran with those that this CPU supports: check-kernel-paths.sh FILE SLM
#
# FILE has a line "INSTRUCTIONSET PRECISION" for each combination that ran (see Tests/TestSupport/KernelPaths.swift).
set -eu
file=$1 slm=$2
flags=" $(sed -n 's/^\(flags\|Features\)[^:]*://p' /proc/cpuinfo | head -1) "
has() { for f in "$@"; do case "$flags" in *" $f "*) ;; *) return 1 ;; esac; done; }
expected="plain f32"
skipped=""
add() { if [ "$1" = yes ]; then expected="$expected
$2"; else skipped="$skipped
$2"; fi; }
if [ "$(uname -m)" = x86_64 ]; then
    avx2=no; vnni=no; avx512=no; bf16=no; amx=no
    if has avx2 fma f16c bmi2; then avx2=yes; fi
    if [ $avx2 = yes ] && has avx512f avx512bw avx512dq avx512vl avx512cd; then avx512=yes; fi
    if [ $avx512 = yes ] && has avx512_bf16 avx512_vnni; then bf16=yes; fi
    # A container may refuse the tiles to a process.
    if [ $bf16 = yes ] && has amx_tile amx_bf16 amx_int8 && "$slm" info --json | grep -q avx512amx; then amx=yes; fi
    if [ $avx2 = yes ] && has avx_vnni; then vnni=yes; fi
    add $avx2 "avx2 f32"
    add $vnni "avx2vnni f32"
    add $avx512 "avx512 f32"
    add $bf16 "avx512bf16 f32"
    add $bf16 "avx512bf16 bf16"
    add $amx "avx512amx f32"
    add $amx "avx512amx bf16"
fi
if [ "$(uname -m)" = aarch64 ]; then
    dotprod=no; bf16=no
    if has asimddp; then dotprod=yes; fi
    if [ $dotprod = yes ] && has bf16; then bf16=yes; fi
    add yes "neon f32"
    add $dotprod "neondotprod f32"
    add $bf16 "neonbf16 f32"
    add $bf16 "neonbf16 bf16"
fi
missing=$(printf '%s\n' "$expected" | while read -r path; do grep -qx "$path" "$file" || printf '%s, ' "$path"; done)
printf 'kernels that the tests ran: %s\n' "$(sort -u "$file" | paste -sd, | sed 's/,/, /g')"
if [ -n "$skipped" ]; then printf 'not run, because this CPU does not support them:%s\n' "$(printf '%s' "$skipped" | paste -sd, | sed 's/,/, /g; s/^,//')"; fi
if [ -n "$missing" ]; then printf 'error: this CPU supports kernels that no test ran: %s\n' "${missing%, }" >&2; exit 1; fi
