"""Tasks in a machine of the node tests, which has neither ssh nor Python."""

from __future__ import annotations

import shutil
import subprocess

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = r"""
name: machine
short_description: A machine of the node tests
description: Enters the machine's namespaces for commands, and reaches its files through /proc.
author: The kubelet-tls authors
options:
  enter:
    description: The command that runs its arguments in the machine.
    type: list
    elements: str
    vars:
      - name: machine_enter
  root:
    description: The machine's root directory.
    vars:
      - name: machine_root
"""


class Connection(ConnectionBase):
    """Runs commands as root in the machine."""

    transport = "machine"
    has_pipelining = False

    def _connect(self):
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        ran = subprocess.run(
            [*self.get_option("enter"), "/bin/sh", "-c", cmd],
            input=in_data or b"",
            capture_output=True,
            check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        shutil.copyfile(in_path, self.get_option("root") + out_path)

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        shutil.copyfile(self.get_option("root") + in_path, out_path)

    def close(self):
        self._connected = False
