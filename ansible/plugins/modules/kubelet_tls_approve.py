#!/usr/bin/python
"""The documentation; the module itself is the binary, which the collection's action plugin runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_tls_approve
short_description: Approve kubelet-serving requests that keep every rule
version_added: 0.1.0
description:
  - Runs C(kubelet-tls approve) where an administrator's kubeconfig is, such as on a control plane.
  - Each request is held against the cluster's Nodes and Services first. One that was asked for and breaks a rule is
    refused and fails the task.
  - In check mode it judges and approves nothing.
options:
  request:
    description: Requests, by name.
    type: list
    elements: str
  node:
    description: The pending requests of these nodes.
    type: list
    elements: str
  deny:
    description: Deny what breaks a rule; its kubelet asks again at once.
    type: bool
    default: false
  max_duration:
    description: The longest life of a certificate to vouch for.
    type: str
    default: 1y
  timeout:
    description: How long all of it may take, as V(90s) or V(2m); a number is seconds.
    type: str
    default: 2m
  kubeconfig:
    description: Talk to the API as this file says; by default E(KUBECONFIG), else V(/etc/kubernetes/admin.conf).
    type: path
seealso:
  - module: kubelet_tls.kubelet_tls.kubelet_tls
author:
  - The kubelet-tls authors (@kubelet-tls)
"""

EXAMPLES = r"""
- name: Approve what worker-1 asks for
  kubelet_tls.kubelet_tls.kubelet_tls_approve:
    node: worker-1
  become: true
  delegate_to: control-plane-1
"""

RETURN = r"""
requests:
  description: Each request with its C(name), C(node), whether it is C(approved), and for a refusal C(rule) and C(message).
  returned: when the API was asked
  type: list
  elements: dict
rc:
  description: The exit code of C(kubelet-tls approve); 78 where a request was refused.
  returned: always
  type: int
"""
