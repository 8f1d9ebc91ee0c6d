#!/usr/bin/python
"""The documentation; the module itself is the binary, which the action plugin of this name runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_tls
short_description: Give a kubeadm node's kubelet a CA-signed serving certificate
version_added: 0.1.0
description:
  - Sets C(serverTLSBootstrap) where this node's kubelet reads it, changes no other byte, restarts the kubelet through
    systemd, proves that it came back or puts everything back, and names the CertificateSigningRequest that it made.
  - It is the program C(kubelet-tls apply), copied to the node for the task. The node needs systemd, and no Python.
  - Must run as root on the node; use C(become).
  - In check mode it is C(kubelet-tls apply --dry-run).
options:
  state:
    description: Whether the kubelet is to ask the cluster for its serving certificate.
    type: str
    choices: [enabled, disabled]
    default: enabled
  restart:
    description:
      - When to restart the kubelet.
      - V(auto) is only if something changed, or the kubelet is older than its configuration.
    type: str
    choices: [auto, never, always]
    default: auto
  wait:
    description:
      - How far to wait.
      - V(csr) is until the request exists, V(issued) until its certificate is served and verifies, V(none) not at all.
    type: str
    choices: [csr, issued, none]
    default: csr
  timeout:
    description: For that wait, as V(90s), V(2m) or V(1h30m); a number is seconds.
    type: str
    default: 2m
  settle:
    description: How long the kubelet must stay up and answer before it counts as healthy.
    type: str
    default: 5s
  issue_first:
    description: Get the certificate issued before the restart, so that no TLS handshake on port 10250 ever fails.
    type: bool
    default: false
  kubeadm_config:
    description: Edit these kubeadm files on the node too, in the same change.
    type: list
    elements: path
  kubeconfig:
    description: Talk to the API as this file on the node says; by default the kubelet's own.
    type: path
  root:
    description: The node's files lie under this directory (an image, a chroot); systemd and the API are left alone.
    type: path
  file:
    description: Edit only these kubelet or kubeadm files on the node; no systemd, no API.
    type: list
    elements: path
notes:
  - Paths are absolute. A single path may stand for a list of one; a comma is a character of the path.
  - Without O(issue_first) port 10250 of the node refuses TLS from the restart until the request is approved.
seealso:
  - module: kubelet_tls.kubelet_tls.kubelet_tls_approve
  - module: kubelet_tls.kubelet_tls.kubelet_tls_cluster
author:
  - The kubelet-tls authors (@kubelet-tls)
"""

EXAMPLES = r"""
- name: Enable serverTLSBootstrap, and learn the request's name
  kubelet_tls.kubelet_tls.kubelet_tls:
  become: true
  register: kubelet

- name: Approve it from a control plane
  kubelet_tls.kubelet_tls.kubelet_tls_approve:
    request: "{{ kubelet.csr.name }}"
  become: true
  delegate_to: control-plane-1
  when: kubelet.csr.state | default('') == 'Pending'

- name: Wait until the certificate is served and verifies
  kubelet_tls.kubelet_tls.kubelet_tls:
    wait: issued
  become: true

- name: In a file, before kubeadm init
  kubelet_tls.kubelet_tls.kubelet_tls:
    file: /etc/kubernetes/kubeadm.yaml
"""

RETURN = r"""
csr:
  description: The kubelet's request, or null where there is none.
  returned: without O(file)
  type: dict
  sample:
    name: csr-jcdc4
    state: Pending
    created: "2026-11-23T07:16:56Z"
    requestor: system:node:worker-1
    dnsNames: [worker-1]
    ipAddresses: [10.0.0.7]
certificate:
  description: What port 10250 serves, or null where that was not looked at; V(verified) is against the cluster's CA.
  returned: without O(file)
  type: dict
node:
  description: The node's name in the cluster.
  returned: when the API was asked
  type: str
edits:
  description: What was edited, or would be, each with its C(target) and its unified C(diff).
  returned: when it came so far
  type: list
  elements: dict
restart:
  description: The kubelet's restart, or null where none was needed.
  returned: without O(file)
  type: dict
  sample: {unit: kubelet.service, performed: true, healthy: true, seconds: 0.75}
rolledBack:
  description: Whether the kubelet did not come back healthy and everything was put back.
  returned: without O(file)
  type: bool
journal:
  description: The last log lines of a kubelet that did not come back healthy.
  returned: when there are some
  type: list
  elements: str
rc:
  description: The exit code of C(kubelet-tls apply).
  returned: always
  type: int
"""
