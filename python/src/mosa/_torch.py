"""The libtorch that the binary runs on: the one of this environment's torch, found without importing it."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

TORCH = "2.11"
"""The version of torch that the binary is built with."""
INSTALL = f"pip install 'torch=={TORCH}.*'"

PACKAGE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.join(PACKAGE, "bin", "mosa")


class Unusable(Exception):
    """Why the binary cannot run in this environment, and what to do."""


def environment(given: dict[str, str]) -> dict[str, str]:
    """The environment for the binary: `given`, with the folder of libtorch where the binary does not find it by itself.

    Raises `Unusable` if there is no binary, no torch, or one of another version.
    """
    if not os.path.isfile(BINARY):
        raise Unusable(f"{BINARY} is missing: install the wheel (in a checkout, pip wheel --no-deps ./python makes it)")
    folder = torch_folder()
    if folder == os.path.join(os.path.dirname(PACKAGE), "torch"):
        return given
    before = given.get("LD_LIBRARY_PATH")
    return {**given, "LD_LIBRARY_PATH": os.path.join(folder, "lib") + (os.pathsep + before if before else "")}


def torch_folder() -> str:
    """The folder of the torch that `import torch` would take. Raises `Unusable` if it is not the right one."""
    spec = find_spec("torch")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise Unusable(f"torch is not installed in this environment; mosa runs on its libtorch: {INSTALL}")
    folder = os.path.abspath(places[0])
    version = version_of(folder)
    if not version.startswith(TORCH + "."):
        found = version or "of an unknown version"
        raise Unusable(f"{folder} is torch {found}, and this mosa is built with {TORCH}: {INSTALL}")
    if not os.path.isfile(os.path.join(folder, "lib", "libtorch_cpu.so")):
        raise Unusable(f"{folder} has no lib/libtorch_cpu.so; install the torch of PyPI: {INSTALL}")
    return folder


def version_of(folder: str) -> str:
    """The version in torch's version.py; empty if there is none."""
    try:
        with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
            found = re.search(r"^__version__ = '([^']*)'", file.read(), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1) if found else ""
