#!/usr/bin/python
"""The documentation; the module itself is the binary, which the collection's action plugin runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_tls_cluster
short_description: Keep serverTLSBootstrap through kubeadm join and kubeadm upgrade
version_added: 0.1.0
description:
  - Runs C(kubelet-tls cluster apply) where an administrator's kubeconfig is, such as on a control plane.
  - Sets the key in the ConfigMap C(kube-system/kubelet-config), from which kubeadm rewrites every node's file.
  - Check mode runs C(kubelet-tls cluster apply --dry-run).
options:
  state:
    description: Whether kubelets request their serving certificates from the cluster.
    type: str
    choices: [enabled, disabled]
    default: enabled
  kubeconfig:
    description: Kubeconfig to use; by default E(KUBECONFIG), else V(/etc/kubernetes/admin.conf).
    type: path
seealso:
  - module: kubelet_tls.kubelet_tls.kubelet_tls
author:
  - The kubelet-tls authors (@kubelet-tls)
"""

EXAMPLES = r"""
- name: Keep the change through upgrades
  kubelet_tls.kubelet_tls.kubelet_tls_cluster:
  become: true
  delegate_to: control-plane-1
  run_once: true
"""

RETURN = r"""
edits:
  description: What was edited, or would be, each with its C(target) and its unified C(diff).
  returned: when the ConfigMap could be read
  type: list
  elements: dict
rc:
  description: The exit code of C(kubelet-tls cluster apply).
  returned: always
  type: int
"""
