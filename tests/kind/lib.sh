# What the scripts share; each sources it. The defaults fit a cluster of kind. Variables:
#   ON_NODE         the command that runs another one on a node: $ON_NODE NODE COMMAND...
#   NODE            the node that is changed
#   CONTROL_PLANE   the node with the administrator's kubeconfig at /etc/kubernetes/admin.conf
#   TOOL            kubelet-tls on this machine
#   KUBECTL         kubectl on this machine
# shellcheck shell=bash
set -euo pipefail
: "${ON_NODE:=docker exec}" "${NODE:=kind-worker}" "${CONTROL_PLANE:=kind-control-plane}"
: "${TOOL:=./kubelet-tls}" "${KUBECTL:=kubectl}"
export TOOL KUBECTL
CONFIG=/var/lib/kubelet/config.yaml
CURRENT=/var/lib/kubelet/pki/kubelet-server-current.pem

step() { printf '\n== %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

on_node() { local words; read -ra words <<<"$ON_NODE"; "${words[@]}" "$NODE" "$@"; }
on_control_plane() { local words; read -ra words <<<"$ON_NODE"; "${words[@]}" "$CONTROL_PLANE" "$@"; }

# Runs a command that must end with this code.
expect() {
    local wanted=$1 code=0
    shift
    "$@" || code=$?
    [[ $code = "$wanted" ]] || fail "$*: exit code $code instead of $wanted"
}

# Runs a command every second until it succeeds.
await() {
    local seconds=$1
    shift
    until "$@"; do
        ((seconds-- > 0)) || fail "timed out: $*"
        sleep 1
    done
}

config_is_as_before() { on_node cmp /root/before "$CONFIG"; }
kubelet_pid() { on_node systemctl show --property=MainPID --value kubelet; }
certificate_file() { on_node readlink "$CURRENT"; }

# In the documented order: the kubelet restarts and asks for its certificate, which is then approved.
documented() {
    step 'apply, and the request'
    on_node kubelet-tls apply --wait csr
    on_node kubelet-tls csr --check
    step 'approve, on the control plane'
    on_control_plane kubelet-tls approve --node "$NODE"
    step 'The certificate is served, and verifies'
    on_node kubelet-tls apply --wait issued
}

# The other order: the certificate is there before the kubelet restarts.
issue_first() {
    local pid
    pid=$(kubelet_pid)
    step 'apply --issue-first, until the request is there'
    expect 75 on_node kubelet-tls apply --issue-first --timeout 10s
    config_is_as_before
    [[ $pid = "$(kubelet_pid)" ]] || fail 'the kubelet restarted before the certificate was issued'
    on_node kubelet-tls csr --check
    step 'approve, on the control plane'
    on_control_plane kubelet-tls approve --node "$NODE"
    step 'The same command again installs the certificate and restarts the kubelet'
    on_node kubelet-tls apply --issue-first
    [[ $pid != "$(kubelet_pid)" ]] || fail 'the kubelet did not restart'
    on_node kubelet-tls apply --wait issued
}
