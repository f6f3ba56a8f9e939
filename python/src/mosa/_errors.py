"""What can go wrong."""

from __future__ import annotations


class MosaError(Exception):
    """Any error of this package; its text says what is wrong, where, and what to do."""


class CommandError(MosaError):
    """A command of mosa that failed, with its one line of error."""

    def __init__(self, command: list[str], returncode: int, message: str, stdout: str, stderr: str) -> None:
        super().__init__(f"{message} (exit code {returncode}: {' '.join(command)})")
        self.command = command
        """What was typed."""
        self.returncode = returncode
        """1: a check failed; 2: wrong use or bad input; 3: no memory or disk left; 130: interrupted; -N: signal N."""
        self.message = message
        """The line."""
        self.stdout = stdout
        """All of standard output; empty where it was not captured."""
        self.stderr = stderr
        """All of standard error; empty where it was not captured."""


class RecordsError(MosaError, ValueError):
    """A file of records that cannot be read, with the line."""
