#!/usr/bin/env bash
# Has the API server of the only control plane verify kubelets, or rolls that back. Usage: api-server.sh apply|rollback
# shellcheck source=tests/kind/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=${1:?}
MANIFEST=/etc/kubernetes/manifests/kube-apiserver.yaml
BEFORE=/root/api-server.diff
LINE='+    - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt'

# The edits of the manifest and of the ConfigMap, which are the same only if both are.
edits() { expect 1 on_control_plane kubelet-tls api-server diff; }
# The conditions that are not True; whether an approver is at work is not this script's business.
lacking() {
    local names code=0
    names=$(on_control_plane kubelet-tls api-server status -o name) || code=$?
    ((code <= 1)) || fail "api-server status: exit code $code"
    grep --invert-match --line-regexp ApproverSeen <<<"$names" || true
}

verify() {
    step 'A node that is not secured is refused, and nothing is changed'
    on_control_plane cp -a "$MANIFEST" /root/kube-apiserver.before
    expect 78 on_control_plane kubelet-tls api-server apply
    on_control_plane cmp /root/kube-apiserver.before "$MANIFEST"

    for NODE in ${NODES:-kind-control-plane kind-worker}; do documented; done

    step 'status says what is missing, and diff shows one line of the manifest'
    [[ $(lacking) = $'ManifestHasFlag\nProcessHasFlag\nKubeadmConfigHasFlag' ]] || fail "$(lacking)"
    local change
    change=$(edits)
    [[ $(grep --count --fixed-strings -e "$LINE" <<<"$change") = 1 ]] || fail "$change"
    # shellcheck disable=SC2016
    on_control_plane sh -c 'printf "%s\n" "$1" >"$2"' sh "$change" "$BEFORE"

    step 'apply, and every node is reached through an API server that verifies it'
    on_control_plane kubelet-tls api-server apply
    [[ -z $(lacking) ]] || fail "$(lacking)"

    step 'A second run changes nothing'
    on_control_plane kubelet-tls api-server apply -o json | jq --exit-status '.changed == false'
}

restore() {
    step 'rollback, byte for byte'
    on_control_plane kubelet-tls api-server rollback
    on_control_plane cmp /root/kube-apiserver.before "$MANIFEST"
    [[ $(edits) = "$(on_control_plane cat "$BEFORE")" ]] || fail "$(edits)"
    [[ $(lacking) = $'ManifestHasFlag\nProcessHasFlag\nKubeadmConfigHasFlag' ]] || fail "$(lacking)"
}

case $MODE in
apply) verify ;;
rollback) restore ;;
*) fail "no mode is called $MODE" ;;
esac
