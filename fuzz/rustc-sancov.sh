#!/usr/bin/env bash
# A RUSTC_WRAPPER for fuzz/run.sh: adds libFuzzer's coverage counters to the house's own crates and to the targets.
# Dependencies stay as the tests have compiled them; the compiler's stable options suffice.
set -euo pipefail
rustc=$1
shift
name=
previous=
for argument in "$@"; do
    if [ "$previous" = --crate-name ]; then name=$argument; fi
    previous=$argument
done
case "$name" in
tacit_* | fuzz_*)
    exec "$rustc" "$@" -C passes=sancov-module \
        -C llvm-args=-sanitizer-coverage-level=4 \
        -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
        -C llvm-args=-sanitizer-coverage-pc-table \
        -C llvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$rustc" "$@" ;;
esac
