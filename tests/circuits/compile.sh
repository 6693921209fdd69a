#!/usr/bin/env bash
# Compiles the circuits that tests compare on; needs `npm ci --prefix tests`.
#
#   tests/circuits/compile.sh OUTDIR [NAME...]
#
# makes OUTDIR/NAME.r1cs, NAME.wasm and NAME.sym, and copies an input that satisfies the circuit to OUTDIR/NAME.json.
# A name is that of a circuit and its prime, such as chain.bn128; without names, all of the table below.
# TACIT_NODE_MODULES tells where the npm packages are, if not in tests/node_modules.
set -euo pipefail

#  circuit.prime               what the compiler simplifies, and the Groth16 domain that comes of it
table='
   nested.bn128                --O1   2^3
   nested.bls12381             --O1   2^3
   chain.bn128                 --O1   2^10
   chain.bls12381              --O1   2^10
   comparators.bn128           --O2   2^10
   comparators.bls12381        --O2   2^10
   mimc.bn128                  --O1   2^12
   mimc.bls12381               --O1   2^12
   poseidon_merkle.bn128       --O2   2^12
   poseidon_merkle.bls12381    --O2   2^12
   eip8182_hash.bn128          --O1   2^14
   eddsa.bn128                 --O1   2^14
   babyjubjub.bn128            --O1   2^13
   sha256.bn128                --O1   2^15
   sha256.bls12381             --O1   2^15
   sha256_long.bn128           --O1   2^16
'

[ $# -ge 1 ] || { echo "usage: $0 OUTDIR [NAME.PRIME...]" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
modules=$(cd "${TACIT_NODE_MODULES:-$here/../node_modules}" && pwd)
lib=$(cd "$here/../../circuits/lib" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- $(awk 'NF { print $1 }' <<<"$table")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for name in "$@"; do
    simplify=$(awk -v name="$name" '$1 == name { print $2 }' <<<"$table")
    [ -n "$simplify" ] || { echo "no circuit is called $name" >&2; exit 2; }
    circuit=${name%.*} prime=${name##*.}
    # circom in WASI finds files only below the directory where it runs: the root, then, and paths relative to it.
    (cd / && node "$modules/circom2/cli.js" "$here/$circuit.circom" "$simplify" --prime "$prime" --r1cs --wasm --sym \
        -l "${modules#/}" -l "${lib#/}" -o "$scratch") >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
    # Moved into place last, so that whoever finds a file finds the whole of it.
    mv "$scratch/$circuit.r1cs" "$out/$name.r1cs"
    mv "$scratch/$circuit.sym" "$out/$name.sym"
    cp "$here/$circuit.json" "$out/$name.json"
    mv "$scratch/${circuit}_js/$circuit.wasm" "$out/$name.wasm"
    rm -rf "$scratch/${circuit}_js"
done
