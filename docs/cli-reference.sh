#!/usr/bin/env bash
# Writes docs/src/cli.md from the help texts of the binary: docs/cli-reference.sh [--check]
# With --check, compares instead and fails when the committed page is stale.
set -euo pipefail
cd "$(dirname "$0")/.."

# TACIT_BIN names a binary that is there already, as after the tests: building this package alone would compile its
# dependencies with other features once more.
if [ -z "${TACIT_BIN:-}" ]; then
    cargo build --quiet -p tacit
fi
tacit=${TACIT_BIN:-${CARGO_TARGET_DIR:-target}/debug/tacit}
page=docs/src/cli.md

# Help texts must not depend on the terminal or on the environment.
help() { env -i HOME=/nonexistent COLUMNS=100 NO_COLOR=1 "$tacit" "$@" --help; }

# The names under "Commands:", without clap's own `help`.
commands() { sed -n '/^Commands:/,/^$/p' | sed -n 's/^  \([a-z0-9][a-z0-9-]*\).*/\1/p' | grep -vx help || true; }

# describe DEPTH VERB...: the verb's help, then its verbs'.
describe() {
    local depth=$1 text verb
    shift
    text=$(help "$@")
    printf '\n%s `tacit%s`\n\n```text\n%s\n```\n' "$(printf '#%.0s' $(seq "$depth"))" "${*:+ $*}" "$text"
    for verb in $(commands <<<"$text"); do
        describe $((depth < 4 ? depth + 1 : 4)) "$@" "$verb"
    done
}

write() {
    printf '%s\n' '# Command-line reference' '' \
        'Generated from `--help` by `docs/cli-reference.sh`; do not edit.'
    describe 2
}

if [ "${1:-}" = --check ]; then
    if ! diff -u "$page" <(write); then
        echo "$page is stale: run docs/cli-reference.sh and commit the result"
        exit 1
    fi
else
    # By way of a variable, so that a failure leaves the old page.
    text=$(write)
    printf '%s\n' "$text" >"$page"
fi
