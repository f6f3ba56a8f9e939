"""The build backend: maturin's wheel, with the binary beside the Python modules and told where libtorch is.

maturin puts a binary among the scripts of an environment, from where torch is under no fixed path. Inside the package
it is: `site-packages/mosa/bin/mosa`, `site-packages/torch/lib`, whatever the environment and Python.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import maturin  # type: ignore[import-not-found,import-untyped,unused-ignore]

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "python" / "src" / "mosa"
BINARY = "mosa/bin/mosa"
RUNPATH = "$ORIGIN/../../torch/lib"
# maturin takes no scripts beside a binary.
ENTRY_POINTS = "[console_scripts]\nmosa=mosa._launcher:main\n"

Settings = Mapping[str, Any]


def get_requires_for_build_wheel(config_settings: Settings | None = None) -> list[str]:
    """Nothing beside what pyproject.toml names."""
    return []


def build_sdist(sdist_directory: str, config_settings: Settings | None = None) -> str:
    """There is none: the crates are beside this folder, not in it."""
    raise SystemExit("mosa: there is no source distribution; in a checkout: pip wheel --no-deps ./python")


def build_wheel(
    wheel_directory: str, config_settings: Settings | None = None, metadata_directory: str | None = None
) -> str:
    """Builds the binary with cargo (into target/ of the checkout), packs it, and returns the name of the wheel.

    A binary that is built already is packed as it is: the environment variable MOSA_BINARY names it.
    """
    if not sys.platform.startswith("linux"):
        raise SystemExit("mosa: wheels are made on Linux; elsewhere run ./mosa in a checkout")
    with tempfile.TemporaryDirectory() as work:
        contents, given = Path(work, "contents"), os.environ.get("MOSA_BINARY")
        if given:
            _gather(contents, Path(given))
        else:
            _build(contents, work, config_settings, metadata_directory)
        tag = f"py3-none-{_platform(_place(contents))}"
        (info,) = contents.glob("*.dist-info")
        name = f"{info.name.removesuffix('.dist-info')}-{tag}.whl"
        _settle(info, tag)
        _pack(contents, info.name, Path(wheel_directory, name))
    return name


def _build(contents: Path, work: str, config_settings: Settings | None, metadata_directory: str | None) -> None:
    """maturin's wheel, unpacked, with the binary in the package."""
    os.environ["LIBTORCH"], os.environ["LIBTORCH_CXX11_ABI"] = _libtorch(), "1"
    with zipfile.ZipFile(Path(work, maturin.build_wheel(work, config_settings, metadata_directory))) as wheel:
        wheel.extractall(contents)
    (scripts,) = contents.glob("*.data")
    (contents / BINARY).parent.mkdir(parents=True)
    shutil.move(scripts / "scripts" / "mosa", contents / BINARY)
    shutil.rmtree(scripts)


def _gather(contents: Path, binary: Path) -> None:
    """The same with a binary that is there."""
    contents.mkdir()
    maturin.prepare_metadata_for_build_wheel(str(contents))
    shutil.copytree(SOURCES, contents / "mosa", ignore=shutil.ignore_patterns("__pycache__"))
    (contents / BINARY).parent.mkdir(parents=True)
    shutil.copy(binary, contents / BINARY)


def _libtorch() -> str:
    """The folder of the libtorch that is built against, found or installed as ./mosa does it."""
    script = '. "$1/scripts/libtorch.sh" && find_libtorch "$1" && printf %s "$LIBTORCH"'
    found = subprocess.run(["sh", "-c", script, "sh", str(ROOT)], stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode:
        raise SystemExit(found.returncode)
    return found.stdout


def _place(contents: Path) -> Path:
    """Tells the binary where libtorch will be. It keeps no path of this machine, and no symbols if there is `strip`."""
    binary = contents / BINARY
    binary.chmod(0o755)
    if shutil.which("strip"):
        subprocess.run(["strip", str(binary)], check=True)
    subprocess.run(["patchelf", "--set-rpath", RUNPATH, str(binary)], check=True)
    return binary


def _platform(binary: Path) -> str:
    """The platform by what the binary asks of glibc, so that pip refuses it where that is not had."""
    minor = max(int(n) for n in re.findall(rb"\0GLIBC_2\.(\d+)(?=[.\0])", binary.read_bytes()))
    return f"manylinux_2_{minor}_{os.uname().machine}"


def _settle(info: Path, tag: str) -> None:
    """Writes down the platform and that there is a command, and adds the licences."""
    wheel = info / "WHEEL"
    wheel.write_text(re.sub(r"(?m)^Tag: .*$", f"Tag: {tag}", wheel.read_text()))
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (info / "licenses").mkdir()
    for licence in ROOT.glob("LICENSE-*"):
        shutil.copy(licence, info / "licenses")


def _pack(contents: Path, info: str, wheel: Path) -> None:
    """Writes the wheel with a new RECORD; equal contents are equal bytes."""
    record = f"{info}/RECORD"
    (contents / record).unlink(missing_ok=True)
    files = sorted(path.relative_to(contents).as_posix() for path in contents.rglob("*") if path.is_file())
    lines = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            data = (contents / name).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(data)}\n")
            archive.writestr(_entry(name, 0o755 if name == BINARY else 0o644), data)
        archive.writestr(_entry(record, 0o644), "".join(lines) + f"{record},,\n")


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, (0o100000 | mode) << 16
    return entry
