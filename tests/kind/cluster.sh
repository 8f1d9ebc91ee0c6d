#!/usr/bin/env bash
# The whole job on a node, and back. Usage: cluster.sh documented|issue_first
# shellcheck source=tests/kind/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=${1:?}

step 'diff exits with 1 and shows one line'
on_node cp -a "$CONFIG" /root/before
CHANGE=$(expect 1 on_node kubelet-tls diff)
[[ $(grep '^+[^+]' <<<"$CHANGE") = '+serverTLSBootstrap: true' ]] || fail "$CHANGE"

case $MODE in
documented) documented ;;
issue_first) issue_first ;;
*) fail "no mode is called $MODE" ;;
esac

step 'Every condition but that of the ConfigMap, which has not been changed yet'
LACKING=$(expect 1 on_node kubelet-tls status -o name)
[[ $LACKING = ClusterConfigAgrees ]] || fail "$LACKING"

step 'The ConfigMap, and every condition'
on_control_plane kubelet-tls cluster apply
on_node kubelet-tls status

step 'A second run changes nothing'
on_node kubelet-tls apply -o json | jq --exit-status '.changed == false'

step 'rollback, byte for byte'
on_node kubelet-tls rollback
config_is_as_before
