"""Finding ffmpeg, and ending it when it does not end."""

import os
import sys
from pathlib import Path

import pytest

from app.media import MediaError, find_ffmpeg
from app.media import ffmpeg as program


def write_program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_named_program_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = write_program(tmp_path / "my-ffmpeg", "exit 0")
    on_path = write_program(tmp_path / "ffmpeg", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_ffmpeg(named) == named
    assert find_ffmpeg("my-ffmpeg") == named
    assert "imageio_ffmpeg" in find_ffmpeg(None)  # new enough, and with every codec
    assert "imageio_ffmpeg" in find_ffmpeg("")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # no wheel for this platform
    assert find_ffmpeg(None) == on_path


@pytest.mark.parametrize("named", ["/nowhere/ffmpeg", "no-such-ffmpeg", "/etc"])
def test_a_named_program_that_is_none_is_never_skipped(named: str) -> None:
    with pytest.raises(MediaError, match="FFMPEG_BIN") as caught:
        find_ffmpeg(named)
    assert caught.value.code == "no_ffmpeg"


def test_without_any_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MediaError, match="no ffmpeg on PATH"):
        find_ffmpeg()


def test_nothing_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MediaError) as caught:
        find_ffmpeg()
    assert caught.value.code == "no_ffmpeg"


def test_a_program_that_hangs_is_killed(tmp_path: Path) -> None:
    hanging = write_program(tmp_path / "ffmpeg", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    with pytest.raises(MediaError) as caught:
        program.run(hanging, [], timeout_s=2)
    assert caught.value.code == "timed_out"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_program_that_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "ffmpeg").write_text("not a program")
    with pytest.raises(MediaError) as caught:
        program.run(str(tmp_path / "ffmpeg"), [], timeout_s=5)
    assert caught.value.code == "no_ffmpeg"


def test_secrets_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "do not tell")
    done = program.run(write_program(tmp_path / "ffmpeg", "env"), [], timeout_s=5)
    assert "PATH=" in done.output
    assert "do not tell" not in done.output


def test_it_never_waits_for_a_terminal(tmp_path: Path) -> None:
    done = program.run(write_program(tmp_path / "ffmpeg", "cat; echo $@"), ["-x"], timeout_s=5)
    assert done.output.split() == ["-hide_banner", "-nostdin", "-y", "-x"]
