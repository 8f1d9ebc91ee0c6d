"""Runs the kubelet-tls that fits the node, as the module that the task names."""

from __future__ import annotations

import os

from ansible.plugins.action import ActionBase

COLLECTION = "kubelet_tls.kubelet_tls"
# A release puts a static binary per architecture there, named as `uname -m` names it.
BINARIES = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", "bin"))


class ActionModule(ActionBase):
    """Picks the binary by `uname -m`, which needs no Python on the node."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        asked = self._low_level_execute_command("uname -m", sudoable=False)
        machine = asked["stdout"].strip()
        there = sorted(os.listdir(BINARIES)) if os.path.isdir(BINARIES) else []
        there = [name for name in there if not name.startswith(".")]
        if asked["rc"] != 0 or machine not in there:
            result["failed"] = True
            result["msg"] = (
                f"kubelet-tls is not built for the machine {machine or asked['stderr']!r}: "
                f"{COLLECTION} has it for {', '.join(there) or 'none'}"
                f"; hint: put a static build at {BINARIES}/$(uname -m)"
            )
            return result
        # Not among the collection's modules: ansible-doc would look for documentation in them.
        self._shared_loader_obj.module_loader.add_directory(BINARIES)
        module = self._task.action.rpartition(".")[2]
        result.update(
            self._execute_module(
                module_name=machine,
                module_args={**self._task.args, "_kubelet_tls_module": module},
                task_vars=task_vars,
            )
        )
        return result
