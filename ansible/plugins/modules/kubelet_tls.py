#!/usr/bin/python
"""The documentation; the module itself is the binary, which the action plugin of this name runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_tls
short_description: Give a kubeadm node's kubelet a CA-signed serving certificate
version_added: 0.1.0
description:
  - Sets C(serverTLSBootstrap) in the file that this node's kubelet reads and changes no other byte. Restarts the
    kubelet through systemd and checks that it is healthy, or rolls the change back. Reports the
    CertificateSigningRequest that the kubelet creates.
  - Runs C(kubelet-tls apply) on the node, where the binary is copied for the task. The node needs systemd, but no
    Python.
  - Must run as root on the node; use C(become).
  - Check mode runs C(kubelet-tls apply --dry-run).
options:
  state:
    description: Whether the kubelet requests its serving certificate from the cluster.
    type: str
    choices: [enabled, disabled]
    default: enabled
  restart:
    description:
      - When to restart the kubelet.
      - V(auto) restarts it only if something changed, or if it started before its configuration was last written.
    type: str
    choices: [auto, never, always]
    default: auto
  wait:
    description:
      - What to wait for.
      - V(csr) waits until the CSR exists, V(issued) until its certificate is served and verifies, V(none) not at all.
    type: str
    choices: [csr, issued, none]
    default: csr
  timeout:
    description: How long to wait for that, such as V(90s), V(2m) or V(1h30m); a number is seconds.
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
    description: Also edit these kubeadm files on the node.
    type: list
    elements: path
  kubeconfig:
    description: Kubeconfig on the node to use; by default the kubelet's own.
    type: path
  root:
    description: Edit the node's files under this directory (an image, a chroot); systemd and the API are not used.
    type: path
  file:
    description: Edit only these kubelet or kubeadm files on the node; systemd and the API are not used.
    type: list
    elements: path
notes:
  - Paths are absolute. A single path may be given instead of a list; a comma is a character of the path.
  - Without O(issue_first) port 10250 of the node refuses TLS from the restart until the CSR is approved.
seealso:
  - module: kubelet_tls.kubelet_tls.kubelet_tls_approve
  - module: kubelet_tls.kubelet_tls.kubelet_tls_cluster
author:
  - The kubelet-tls authors (@kubelet-tls)
"""

EXAMPLES = r"""
- name: Enable serverTLSBootstrap and get the CSR's name
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

- name: Edit a file before kubeadm init
  kubelet_tls.kubelet_tls.kubelet_tls:
    file: /etc/kubernetes/kubeadm.yaml
"""

RETURN = r"""
csr:
  description: The kubelet's CSR, or null if none exists.
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
  description:
    - The certificate that port 10250 serves, or null if it was not checked.
    - V(verified) tells whether it verifies against the cluster's CA.
  returned: without O(file)
  type: dict
node:
  description: The node's name in the cluster.
  returned: when the API server was asked
  type: str
edits:
  description: What was edited, or would be, each with its C(target) and its unified C(diff).
  returned: when the files could be read
  type: list
  elements: dict
restart:
  description: The kubelet's restart, or null if none was needed.
  returned: without O(file)
  type: dict
  sample: {unit: kubelet.service, performed: true, healthy: true, seconds: 0.75}
rolledBack:
  description: Whether the change was rolled back because the kubelet did not stay healthy.
  returned: without O(file)
  type: bool
journal:
  description: The last log lines of a kubelet that did not stay healthy.
  returned: when the kubelet did not stay healthy
  type: list
  elements: str
rc:
  description: The exit code of C(kubelet-tls apply).
  returned: always
  type: int
"""
