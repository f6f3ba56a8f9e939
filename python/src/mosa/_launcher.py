"""The command `mosa`: replaces itself by the binary, so that signals and exit codes are the binary's own."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from ._torch import BINARY, Unusable, environment


def main() -> NoReturn:
    """Runs the binary with the arguments of this process."""
    try:
        env = environment(dict(os.environ))
    except Unusable as why:
        sys.exit(_said(why))
    sys.stdout.flush()
    os.execve(BINARY, ["mosa", *sys.argv[1:]], env)


def _said(why: Unusable) -> int:
    print(f"mosa: {why}", file=sys.stderr)
    return 2
