#!/usr/bin/env bash
# Sees a renewal approved by approve --watch --renewals. Needs a cluster whose certificates live for minutes.
# shellcheck source=tests/kind/lib.sh
. "$(dirname "$0")/lib.sh"
SECONDS_TO_RENEWAL=${SECONDS_TO_RENEWAL:-600}
LOG=$(mktemp)

is_renewed() { [[ $(certificate_file) != "$FIRST" ]]; }
is_watching() { on_control_plane test -e /run/approver.pid; }

documented
FIRST=$(certificate_file)

step 'approve --watch --renewals, until the kubelet has another certificate'
# The process writes its id, because a signal to docker exec does not reach it.
# shellcheck disable=SC2016
on_control_plane sh -c 'echo $$ >/run/approver.pid; exec kubelet-tls approve --watch --renewals -o json' >"$LOG" &
APPROVER=$!
await 30 is_watching
await "$SECONDS_TO_RENEWAL" is_renewed

step 'It ends on SIGTERM with code 0, and has said what it approved'
# shellcheck disable=SC2016
on_control_plane sh -c 'kill $(cat /run/approver.pid); rm /run/approver.pid'
wait "$APPROVER"
cat "$LOG"
jq --exit-status --slurp --arg node "$NODE" 'any(.[]; .node == $node and .verdict == "approved")' "$LOG"

step 'The new certificate is served, and verifies'
on_node kubelet-tls apply --wait issued
on_node kubelet-tls csr --check
