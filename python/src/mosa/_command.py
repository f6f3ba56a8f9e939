"""Runs the command from Python."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from ._errors import CommandError, MosaError
from ._torch import BINARY, Unusable, environment

Argument = str | os.PathLike[str] | int | float


def run(
    args: Sequence[Argument],
    *,
    check: bool = True,
    capture: bool = True,
    timeout: float | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs `mosa` with these arguments and waits for it: `mosa.run(["verify", folder])`.

    What it writes is in `stdout` and `stderr` of the result; with `capture=False` it goes where this process writes and
    progress is shown. `env` is the whole environment. Raises `CommandError` if the command fails and `check` is set,
    `MosaError` if this environment cannot run it, `subprocess.TimeoutExpired` after `timeout` seconds (the command
    is killed; the same command goes on where it was).
    """
    if isinstance(args, (str, bytes)):
        raise TypeError(f"mosa.run takes a list of arguments, not one text: mosa.run({str(args).split()!r})")
    words = [os.fspath(arg) if isinstance(arg, os.PathLike) else str(arg) for arg in args]
    try:
        whole = environment(dict(os.environ if env is None else env))
    except Unusable as why:
        raise MosaError(str(why)) from None
    pipe = subprocess.PIPE if capture else None
    done = subprocess.run(
        ["mosa", *words], executable=BINARY, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, encoding="utf-8",
        errors="replace", timeout=timeout, cwd=cwd, env=whole, check=False,
    )
    if check and done.returncode:
        stdout, stderr = done.stdout or "", done.stderr or ""
        raise CommandError(["mosa", *words], done.returncode, _message(done.returncode, stderr), stdout, stderr)
    return done


def _message(returncode: int, stderr: str) -> str:
    """The line of an error among what was said."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for begins in ("mosa: ", "error: "):
        found = [line for line in lines if line.startswith(begins)]
        if found:
            return found[-1].removeprefix(begins)
    if returncode < 0:
        return f"ended by signal {-returncode}"
    return lines[-1] if lines else "failed, and said nothing that was captured"
