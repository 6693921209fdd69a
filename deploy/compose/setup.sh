#!/usr/bin/env bash
# Makes data/: identities, keys and configuration of a coordinator and four nodes, and network.toml for clients. Once;
# what is there is left as it is. TACIT names a tacit program; without it the image `tacit` is built and used.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p data/keys
if [ -n "${TACIT:-}" ]; then
    root=$PWD/data
    tacit() { "$TACIT" "$@"; }
else
    root=/data
    docker build -q -f ../Containerfile -t tacit ../.. >/dev/null
    tacit() { docker run --rm -i --user "$(id -u):$(id -g)" -v "$PWD/data:/data" tacit "$@"; }
fi
printf 'TACIT_UID=%s\nTACIT_GID=%s\n' "$(id -u)" "$(id -g)" > .env

if [ ! -e data/coordinator/coordinator.toml ]; then
    mkdir -p data/coordinator
    identity=$(tacit coordinator init --dir "$root/coordinator" --json | sed -n 's/.*"identity": *"\([0-9a-f]*\)".*/\1/p')
    [ -n "$identity" ] || { echo "the coordinator has no identity" >&2; exit 1; }
    password=$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
    printf '%s' "$password" > data/postgres-password
    printf 'TACIT_DATABASE=postgres://tacit:%s@postgres:5432/tacit\n' "$password" > data/coordinator.env
    {
        printf 'http_listen = "0.0.0.0:7443"\nquic_listen = "0.0.0.0:7444"\nmetrics_listen = "0.0.0.0:7445"\n'
        printf 'tls_names = ["localhost", "127.0.0.1", "coordinator"]\naccess = "keys"\n'
    } > data/coordinator/coordinator.toml
    {
        printf 'version = 1\nname = "compose"\n\n[coordinator]\nurls = ["https://127.0.0.1:7443"]\n'
        printf 'identity = "ed25519:%s"\napi_key_file = "client.key"\n' "$identity"
    } > data/network.toml
    for i in 1 2 3 4; do
        node=$(tacit node init --dir "$root/node-$i" --name "node-$i" --coordinator coordinator:7444 \
            --coordinator-identity "$identity" --key-file "$root/keys/node-$i" --json | sed -n 's/.*"identity": *"\([0-9a-f]*\)".*/\1/p')
        [ -n "$node" ] || { echo "node-$i was not made" >&2; exit 1; }
        # Before the tables of the file.
        sed -i '1i metrics_listen = "0.0.0.0:9464"' "data/node-$i/node.toml"
        printf '\n[[nodes]]\nname = "node-%s"\nidentity = "%s"\noperator = "operator-%s"\n' "$i" "$node" "$i" >> data/coordinator/coordinator.toml
        printf '\n[[nodes]]\nname = "node-%s"\nidentity = "ed25519:%s"\noperator = "operator-%s"\nvouched_by = "deploy/compose"\n' "$i" "$node" "$i" >> data/network.toml
    done
fi
echo "Now: docker compose up -d, then a key for a client and one for the dashboard:"
echo "  docker compose exec coordinator /usr/bin/tacit coordinator key add me --dir /data > data/client.key"
echo "  docker compose exec coordinator /usr/bin/tacit coordinator key add board --role operator --dir /data"
