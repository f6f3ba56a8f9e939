"""The command from Python and from a shell."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import mosa
import pytest
from conftest import MODEL
from mosa._torch import BINARY

COMMAND = Path(sysconfig.get_path("scripts"), "mosa")


def test_what_a_command_writes_comes_back() -> None:
    done = mosa.run(["--version"])
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("mosa ")
    assert mosa.run(["verify", MODEL, "--quiet"]).returncode == 0


def test_a_command_that_fails_is_an_error_with_its_one_line(tmp_path: Path) -> None:
    with pytest.raises(mosa.CommandError) as error:
        mosa.run(["verify", tmp_path / "nowhere"])
    assert error.value.returncode == 2 and "nowhere" in error.value.message and "\n" not in error.value.message
    assert str(error.value).startswith(error.value.message) and "exit code 2: mosa verify" in str(error.value)
    with pytest.raises(mosa.CommandError, match="--nothing"):
        mosa.run(["verify", "--nothing"])
    assert mosa.run(["verify", tmp_path / "nowhere"], check=False).returncode == 2
    with pytest.raises(TypeError, match="list of arguments"):
        mosa.run("verify")


def test_output_goes_where_it_should(tmp_path: Path) -> None:
    code = "import mosa; assert mosa.run(['--version'], capture=False).stdout is None"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mosa ")
    assert mosa.run(["world", "data", "--out", "here"], cwd=tmp_path).stdout and (tmp_path / "here").is_dir()


def test_the_command_becomes_the_binary_and_keeps_signals_and_exit_codes(tmp_path: Path) -> None:
    assert subprocess.run([COMMAND, "verify", tmp_path / "nowhere"], capture_output=True).returncode == 2
    child = subprocess.Popen([COMMAND, "quickstart", "--out", tmp_path / "run"], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None and "fictional" in child.stderr.readline()
    assert os.path.samefile(f"/proc/{child.pid}/exe", BINARY)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said


def test_python_m_mosa_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "mosa", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == mosa.run(["--version"]).stdout


def test_nothing_heavy_is_loaded_to_start_it() -> None:
    code = "import sys, mosa._launcher; print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_time_limit_ends_it(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        mosa.run(["quickstart", "--out", tmp_path / "run"], timeout=1)
    assert time.monotonic() - begun < 60
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
