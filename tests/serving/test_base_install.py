"""Without the packages of a server: stores and the client work, and a server says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVERS_OWN = ("tensorflow", "keras", "uvicorn", "grpc_health", "grpc_reflection", "hpack", "greenlet")
# A finder before all others that knows nothing of them.
WITHOUT = f"""
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SERVERS_OWN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "module", ["serving.client", "export.store", "export.store.describe", "export.verify", "zoo.cli"]
)
def test_what_needs_no_server_imports_without_one(module):
    done = python(f"import {module}")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    "start",
    [
        "from serving.server.__main__ import main; sys.exit(main(['models']))",
        "sys.argv[1:] = ['serve', 'models']; from zoo.cli import main; main()",
    ],
    ids=["mizoo-model-server", "mizoo serve"],
)
def test_a_server_says_what_to_install(start):
    done = python(start)
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2) and "Traceback" not in said
    assert "which is not installed.\nFix: pip install 'mizoo[zoo]'" in said.replace("  ", "")
