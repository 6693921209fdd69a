#!/usr/bin/env bash
# Builds and tests the contracts; checks their formatting, the gas snapshot and the committed artefacts.
#
#   contracts/test.sh [--update] [FORGE TEST OPTION...]
#
# --update writes the snapshot and the artefacts anew. Needs `npm ci --prefix tests`; works offline.
set -euo pipefail
cd "$(dirname "$0")"
modules=${TACIT_NODE_MODULES:-$PWD/../tests/node_modules}
export TACIT_NODE_MODULES=$modules
forge=$modules/@foundry-rs/forge-linux-amd64/bin/forge
[ -x "$forge" ] || { echo "forge is not installed: npm ci --prefix tests" >&2; exit 1; }
out=$PWD/../target/contracts/out

if [ "${1:-}" = --update ]; then
    shift
    "$forge" fmt
    "$forge" build
    "$forge" test --gas-snapshot-emit true --gas-snapshot-check false "$@"
    node tools/artifacts.mjs "$out"
else
    "$forge" fmt --check
    "$forge" build --sizes src
    "$forge" test --gas-snapshot-emit false --gas-snapshot-check true "$@"
    node tools/artifacts.mjs "$out" --check
fi
