"""All modules of this collection are the one binary."""

from __future__ import annotations

from ansible_collections.kubelet_tls.kubelet_tls.plugins.action.kubelet_tls import ActionModule

__all__ = ["ActionModule"]
