#!/usr/bin/python
"""The documentation; the module itself is the binary, which the collection's action plugin runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_tls_api_server
short_description: Have a control-plane node's API server verify kubelets
version_added: 0.1.0
description:
  - Runs C(kubelet-tls api-server apply) on a control-plane node of a kubeadm cluster, as root; use C(become).
  - Refuses unless the kubelet of every node serves a certificate of the cluster's CA where this API server dials it.
  - Sets C(--kubelet-certificate-authority) in the manifest of this node's kube-apiserver and waits until the API server is
    healthy with it and reaches every Ready node; otherwise the manifest is restored.
  - On the last control-plane node it sets the flag in the ConfigMap C(kube-system/kubeadm-config) too, so that
    C(kubeadm upgrade) keeps it.
  - Run it on one control-plane node at a time (C(serial) is 1), as the playbook C(api_server) does. The API server of the
    node does not answer for 15 to 40 seconds.
  - In check mode it is C(kubelet-tls api-server apply --dry-run).
options:
  state:
    description: Whether the API server is to verify kubelets.
    type: str
    choices: [enabled, disabled]
    default: enabled
  except:
    description: The names of nodes that need not be secured, such as one that is known to be off.
    type: list
    elements: str
  timeout:
    description: How long the API server may take to come back healthy, as V(90s) or V(5m); a number is seconds.
    type: str
    default: 5m
  settle:
    description: How long the API server must stay up and answer before it counts as healthy.
    type: str
    default: 10s
  manifest:
    description: The manifest of this node's kube-apiserver.
    type: path
    default: /etc/kubernetes/manifests/kube-apiserver.yaml
  kubeconfig:
    description: Talk to the API as this file says; by default E(KUBECONFIG), else V(/etc/kubernetes/admin.conf).
    type: path
notes:
  - A node that joins has no logs, exec and port-forward until its request is approved, so run an approver.
seealso:
  - module: kubelet_tls.kubelet_tls.kubelet_tls
  - module: kubelet_tls.kubelet_tls.kubelet_tls_approve
author:
  - The kubelet-tls authors (@kubelet-tls)
"""

EXAMPLES = r"""
- name: Have this node's API server verify kubelets
  kubelet_tls.kubelet_tls.kubelet_tls_api_server:
  become: true
  throttle: 1

- name: The same, although worker-9 is off
  kubelet_tls.kubelet_tls.kubelet_tls_api_server:
    except: worker-9
  become: true
  throttle: 1
"""

RETURN = r"""
edits:
  description: What was edited, or would be, each with its C(target) and its unified C(diff).
  returned: when it came so far
  type: list
  elements: dict
apiServer:
  description: What became of this node's API server.
  returned: when it was looked at
  type: dict
nodes:
  description: The Ready nodes that were asked through this API server, and whether each answered.
  returned: when they were asked
  type: list
  elements: dict
rolledBack:
  description: Whether the API server or a node did not come back and the change was rolled back.
  returned: when it came so far
  type: bool
rc:
  description: The exit code of C(kubelet-tls api-server apply).
  returned: always
  type: int
"""
