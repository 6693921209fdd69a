#!/usr/bin/env bash
# Rebuilds the bundled circuits; with --check, exits 1 if what is committed is stale. See build.mjs.
set -euo pipefail
exec node "$(dirname "${BASH_SOURCE[0]}")/build.mjs" "$@"
