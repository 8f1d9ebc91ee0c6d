#!/usr/bin/env bash
# Runs metrics-server from the files that kubelet-tls writes, and has it examined on both TLS channels.
# shellcheck source=tests/kind/lib.sh
. "$(dirname "$0")/lib.sh"
DIR=${DIR:-$(mktemp -d)/metrics-server}

is_available() { on_control_plane kubelet-tls metrics-server --check; }

# metrics-server scrapes every kubelet.
for NODE in ${NODES:-kind-control-plane kind-worker}; do documented; done

step 'metrics-server, from the files written'
"$TOOL" metrics-server --dir "$DIR"
"$KUBECTL" apply -k "$DIR"
"$KUBECTL" -n kube-system rollout status deployment/metrics-server --timeout=5m
await 120 is_available
await 120 "$KUBECTL" top nodes
