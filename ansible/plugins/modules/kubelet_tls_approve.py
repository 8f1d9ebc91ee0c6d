#!/usr/bin/python
"""The documentation; the module itself is the binary, which the collection's action plugin runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_tls_approve
short_description: Approve kubelet-serving CSRs that follow every rule
version_added: 0.1.0
description:
  - Runs C(kubelet-tls approve) where an administrator's kubeconfig is, such as on a control plane.
  - Compares each CSR with the cluster's Nodes and Services first. A CSR that breaks a rule is refused and fails the
    task.
  - Check mode shows the decisions and approves nothing.
options:
  request:
    description: CSRs, by name.
    type: list
    elements: str
  node:
    description: The pending CSRs of these nodes.
    type: list
    elements: str
  deny:
    description: Deny a CSR that breaks a rule which its requestor alone answers for; its kubelet asks again at once.
    type: bool
    default: false
  max_duration:
    description: Maximum certificate lifetime to approve.
    type: str
    default: 1y
  timeout:
    description: Overall timeout, such as V(90s) or V(2m); a number is seconds.
    type: str
    default: 2m
  kubeconfig:
    description: Kubeconfig to use; by default E(KUBECONFIG), else V(/etc/kubernetes/admin.conf).
    type: path
seealso:
  - module: kubelet_tls.kubelet_tls.kubelet_tls
author:
  - The kubelet-tls authors (@kubelet-tls)
"""

EXAMPLES = r"""
- name: Approve the pending CSRs of worker-1
  kubelet_tls.kubelet_tls.kubelet_tls_approve:
    node: worker-1
  become: true
  delegate_to: control-plane-1
"""

RETURN = r"""
requests:
  description: Each CSR with its C(name), C(node), whether it is C(approved), and for a refusal C(rule) and C(message).
  returned: when the API server was asked
  type: list
  elements: dict
rc:
  description: The exit code of C(kubelet-tls approve); 78 if a CSR was refused.
  returned: always
  type: int
"""
