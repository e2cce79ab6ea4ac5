"""What a newcomer's machine meets first: lock files, the Makefile, and what they refuse."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config import ROOT

LOCK_FILES = sorted((ROOT / "requirements").glob("*.txt"))


# Lock files --------------------------------------------------------------------------------------


def pins(lock: Path) -> dict[str, int]:
    """Each pinned requirement (with its condition) of a lock file, and how many hashes it has."""
    text = lock.read_text().replace("\\\n", " ")
    return {
        line.split(" --hash")[0].strip(): line.count("--hash=sha256:")
        for line in text.splitlines()
        if line and not line.startswith("#")
    }


@pytest.mark.parametrize("lock", LOCK_FILES, ids=lambda lock: lock.stem)
def test_every_locked_package_has_hashes_and_no_address(lock: Path) -> None:
    for pin, hashes in pins(lock).items():
        assert re.match(r"[a-z0-9][a-z0-9.-]*==[^ ]+", pin), f"not pinned: {pin}"
        assert hashes, f"no hash: {pin}"
    assert "://" not in lock.read_text()
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links)\b", lock.read_text(), re.M)


def test_the_lock_files_contain_one_another_so_that_one_environment_serves_all() -> None:
    runtime, server, dev = (
        set(pins(ROOT / "requirements" / f"{name}.txt")) for name in ("runtime", "server", "dev")
    )
    assert runtime < server < dev


def test_the_lock_files_hold_what_pyproject_asks_for() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = {re.match(r"[A-Za-z0-9_-]+", line)[0] for line in project["project"]["dependencies"]}  # type: ignore[index]
    locked = {pin.split("==")[0] for pin in pins(ROOT / "requirements" / "runtime.txt")}
    assert named <= locked, "run `make lock`"
    wanted = {
        re.match(r"[A-Za-z0-9_-]+", line)[0]  # type: ignore[index]
        for line in project["dependency-groups"]["dev"]
    }
    assert wanted <= {pin.split("==")[0] for pin in pins(ROOT / "requirements" / "dev.txt")}


# Makefile and tracked text -----------------------------------------------------------------------


def test_every_make_target_that_people_use_is_in_make_help() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split())  # type: ignore[index]
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0
    listed = dict(re.findall(r"^make (\S+)\s+(\S.*)$", shown.stdout, re.M))
    assert set(listed) == phony
    wanted = "run web worker test check lint proof-all bench seed lock translations migrate clean"
    assert set(wanted.split()) <= set(listed)


def test_ci_runs_make_check() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make check")


def tracked_files() -> list[Path]:
    """Files under version control, and those about to be."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


# Written in pieces, so that this file does not name them either.
REGISTRY_HOSTS = ["pypi{}org", "pythonhosted{}org", "registry{}npmjs", "deb{}debian"]
MACHINE_FOLDERS = ["root", "home", "Users", "work", "tmp"]
FORBIDDEN = [host.format(".") for host in REGISTRY_HOSTS]
FORBIDDEN += [f"/{folder}/" for folder in MACHINE_FOLDERS]


def test_no_tracked_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    names = "|".join(map(re.escape, FORBIDDEN))
    forbidden = re.compile(rf"(?<![\w.~}})-])(?:{names})".encode())  # not in the middle of a path
    found = [
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for path in tracked_files()
        if (match := forbidden.search(path.read_bytes()))
    ]
    assert found == []


# A machine without a fit Python ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python3", "said"),
    [
        (None, "error: Python 3.11 or newer is needed, and none was found"),
        ("exit 1", "error: Python 3.11 or newer is needed, and none was found"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "error: python3 has no ensurepip and venv"),
    ],
    ids=["none", "too old", "Debian without python3-venv"],
)
def test_a_machine_without_a_fit_python_is_told_so_in_one_line(
    tmp_path: Path, python3: str | None, said: str
) -> None:
    programs, project = tmp_path / "bin", tmp_path / "project"
    programs.mkdir()
    for name in ("sh", "cmp", "dirname", "basename", "cat"):
        (programs / name).symlink_to(shutil.which(name) or name)
    if python3 is not None:
        (programs / "python3").write_text(f"#!/bin/sh\n{python3}\n")
        (programs / "python3").chmod(0o755)
    for name in ("dev/venv.sh", "requirements/runtime.txt"):
        (project / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, project / name)
    done = subprocess.run(
        [project / "dev" / "venv.sh", "runtime"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
