#!/usr/bin/env bash
# Runs every fuzz target for a while, starting from the committed seeds: fuzz/run.sh [SECONDS] [TARGET...]
# Writes the seeds that are made rather than found, after an encoding has changed: fuzz/run.sh --seeds
#
# Works on stable Rust: see rustc-sancov.sh. For long runs with AddressSanitizer use cargo-fuzz on a nightly
# toolchain: cargo fuzz run fuzz_TARGET fuzz/corpus/TARGET fuzz/seeds/TARGET
# New inputs go to fuzz/corpus/TARGET, inputs that crash to fuzz/artifacts/TARGET; neither is committed.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-5}
shift || true # without arguments there is nothing to shift

export RUSTC_WRAPPER=$PWD/rustc-sancov.sh
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}
# The versions that the tests have compiled.
cp ../Cargo.lock Cargo.lock
cargo build --bins
if [ "$seconds" = --seeds ]; then
    exec "$CARGO_TARGET_DIR/debug/seeds"
fi

if [ $# -eq 0 ]; then
    for file in fuzz_targets/*.rs; do
        set -- "$@" "$(basename "$file" .rs)"
    done
fi
# For the targets that need files: in memory where that is possible.
scratch=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
# Real files, which the tests of the parsers read too.
fixtures=../crates/circom/tests/fixtures
failed=()
for target in "$@"; do
    mkdir -p "corpus/$target" "artifacts/$target" "seeds/$target"
    seeds=("seeds/$target")
    case $target in
    r1cs | wtns | zkey | ptau | sym | json) seeds+=("$fixtures/bn128" "$fixtures/bls12381") ;;
    esac
    log=$(mktemp)
    if "$CARGO_TARGET_DIR/debug/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix="artifacts/$target/" "corpus/$target" "${seeds[@]}" >"$log" 2>&1; then
        runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log")
        cover=$(grep -o 'cov: [0-9]*' "$log" | tail -1 || true)
        printf '%-24s %9s runs  %s\n' "$target" "$runs" "$cover"
    else
        tail -40 "$log"
        echo "$target: failed; the input is in fuzz/artifacts/$target"
        failed+=("$target")
    fi
    rm -f "$log"
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
fi
echo "${#@} targets, none failed"
