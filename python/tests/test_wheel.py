"""The wheel: where the binary finds libtorch, and what is said where it cannot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import mosa
import pytest
from conftest import ROOT
from mosa._torch import BINARY, PACKAGE, TORCH, torch_folder

LAUNCH = """
import sys
sys.path[:0], sys.argv = sys.argv[1:], ["mosa", "--version"]
from mosa._launcher import main
main()
"""


def _launched(*path: Path) -> subprocess.CompletedProcess[str]:
    """`mosa --version` in a Python that has nothing but these folders beside its library."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    words = [sys.executable, "-I", "-S", "-c", LAUNCH, *map(str, path)]
    return subprocess.run(words, capture_output=True, text=True, env=env)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package and no torch beside it."""
    at = tmp_path_factory.mktemp("alone")
    shutil.copytree(PACKAGE, at / "mosa")
    return at


def test_the_binary_holds_no_path_of_the_machine_that_built_it() -> None:
    data = Path(BINARY).read_bytes()
    assert b"\0$ORIGIN/../../torch/lib\0" in data
    assert os.environ.get("LIBTORCH", "/libtorch-").encode() + b"/lib\0" not in data


def test_the_binary_runs_on_the_torch_of_its_environment() -> None:
    told = dict(re.split(r"  +", line, maxsplit=1) for line in mosa.run(["doctor"]).stdout.splitlines() if "  " in line)
    assert told["libtorch"].startswith(TORCH + ".")
    assert os.path.samefile(told["libtorch folder"], torch_folder())


def test_the_binary_finds_a_torch_beside_its_package(alone: Path, tmp_path: Path) -> None:
    shutil.copytree(alone / "mosa", tmp_path / "mosa")
    (tmp_path / "torch").symlink_to(torch_folder())
    env = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    done = subprocess.run([tmp_path / "mosa" / "bin" / "mosa", "--version"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_torch_in_another_folder_is_found_as_python_finds_it(alone: Path) -> None:
    assert subprocess.run([alone / "mosa" / "bin" / "mosa", "--version"], capture_output=True).returncode == 127
    done = _launched(alone, Path(torch_folder()).parent)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("mosa ")


def test_an_environment_without_torch_says_what_to_install(alone: Path) -> None:
    done = _launched(alone)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "torch is not installed" in done.stderr and f"pip install 'torch=={TORCH}.*'" in done.stderr


def test_a_torch_of_another_version_is_refused(alone: Path, tmp_path: Path) -> None:
    torch = tmp_path / "torch"
    (torch / "lib").mkdir(parents=True)
    (torch / "__init__.py").touch()
    (torch / "version.py").write_text("__version__ = '2.12.1+cpu'\n")
    done = _launched(alone, tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "2.12.1+cpu" in done.stderr and TORCH in done.stderr
    (torch / "version.py").write_text(f"__version__ = '{TORCH}.0'\n")
    assert "libtorch_cpu.so" in _launched(alone, tmp_path).stderr


def test_all_that_names_a_version_of_torch_names_the_same() -> None:
    asked = [need for need in distribution("mosa-dllm").requires or [] if need.startswith("torch")]
    assert asked == [f"torch=={TORCH}.*"]
    script = (ROOT / "scripts" / "libtorch.sh").read_text()
    assert re.search(rf"^TORCH_VERSION={re.escape(TORCH)}\.\d+$", script, re.MULTILINE)


def test_the_platform_is_told_by_what_the_binary_asks_of_glibc() -> None:
    tags = re.findall(r"^Tag: (.*)$", distribution("mosa-dllm").read_text("WHEEL") or "", re.MULTILINE)
    assert len(tags) == 1 and re.fullmatch(r"py3-none-manylinux_2_\d+_\w+", tags[0]), tags
    versions = distribution("mosa-dllm").version, mosa.run(["--version"]).stdout.split()[1]
    assert versions[0] == versions[1]
