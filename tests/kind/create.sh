#!/usr/bin/env bash
# Creates a kind cluster of a control plane and a worker, both with kubelet-tls. Variables:
#   KIND, IMAGE        the release of kind, and a node image that was built for it
#   SIGNING_DURATION   how long certificates live; the controller manager's default if unset
# shellcheck source=tests/kind/lib.sh
. "$(dirname "$0")/lib.sh"
MANIFEST=/etc/kubernetes/manifests/kube-controller-manager.yaml

# The Go checksum database vouches for the module.
go install "sigs.k8s.io/kind@$KIND"
printf '%s\n' 'kind: Cluster' 'apiVersion: kind.x-k8s.io/v1alpha4' 'nodes:' '- role: control-plane' '- role: worker' |
    "$(go env GOPATH)/bin/kind" create cluster --image "$IMAGE" --config - --wait 3m
chmod 0755 "$TOOL"
for node in "$CONTROL_PLANE" "$NODE"; do docker cp "$TOOL" "$node:/usr/local/bin/kubelet-tls"; done

if [[ -n ${SIGNING_DURATION:-} ]]; then
    FLAG=--cluster-signing-duration=$SIGNING_DURATION
    has_flag() {
        # The mirror Pod is replaced with the static one.
        "$KUBECTL" -n kube-system get pod "kube-controller-manager-$CONTROL_PLANE" -o 'jsonpath={.spec.containers[0].command}' |
            grep --fixed-strings -e "$FLAG"
    }
    on_control_plane sed -i "s/^    - kube-controller-manager\$/&\n    - $FLAG/" "$MANIFEST"
    await 120 has_flag
    "$KUBECTL" -n kube-system wait --for=condition=Ready "pod/kube-controller-manager-$CONTROL_PLANE" --timeout=2m
fi
