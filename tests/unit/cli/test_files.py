"""Files that flags name: looked at before the work, written where they point, and never in place of anything else."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from argparse import Namespace
from pathlib import Path

import pytest

from argotune.cli import main
from argotune.cli.files import check_places, deliver, json_text, write_text
from argotune.errors import ConfigInvalid


@pytest.mark.parametrize("value", [{"schema": "x", "q": "企业 \u202e \x1b"}, [], "\ud800 alone", {"n": None}])
def test_a_written_file_says_the_same_and_leaves_nothing_beside_it(value: object, tmp_path: Path):
    target = tmp_path / "new" / "folder" / "out.json"
    write_text(str(target), json_text(value))
    assert json.loads(target.read_text(encoding="utf-8")) == value
    assert [path.name for path in target.parent.iterdir()] == ["out.json"]


def test_a_file_that_is_there_is_replaced_and_keeps_its_permissions(tmp_path: Path):
    (target := tmp_path / "out.json").write_text("long " * 1000)
    target.chmod(0o640)
    (tmp_path / "out.json.part").write_text("somebody's")
    write_text(str(target), "{}")
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("{}", 0o640)
    assert (tmp_path / "out.json.part").read_text() == "somebody's"


def test_a_new_file_has_the_permissions_that_files_get_here(tmp_path: Path):
    (plain := tmp_path / "plain").touch()
    write_text(str(tmp_path / "out"), "x")
    assert (tmp_path / "out").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path, is_there: bool):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "out", tmp_path / "link"
    link.symlink_to(target)
    if is_there:
        target.write_text("old")
    check_places(Namespace(output=str(link)))
    write_text(str(link), "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_device_stays_a_device(tmp_path: Path):
    check_places(Namespace(output="/dev/null", outcome_file="/dev/null"))
    write_text("/dev/null", "gone")
    assert Path("/dev/null").is_char_device()


def test_a_pipe_is_written_into(tmp_path: Path):
    os.mkfifo(pipe := tmp_path / "pipe")
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    check_places(Namespace(output=str(pipe)))
    write_text(str(pipe), "said")
    reader.join(10)
    assert heard == ["said"]
    assert pipe.is_fifo()


def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (target := tmp_path / "mounted").write_text("a longer old text")

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr("os.replace", busy)
    write_text(str(target), "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("mounted", "new")]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (target := tmp_path / "out").write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(ConfigInvalid, match="cannot be written: No space left on device"):
        write_text(str(target), "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "old")]


NOWHERE = [
    "",
    ".",
    "..",
    "folder",
    "folder/",
    "file/out.json",
    "file/deep/out.json",
    "x" * 300,
    "new/",
    "loop",
    "socket",
]


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with things that no file can be written in place of."""
    inside = tmp_path / "inside"
    (inside / "folder").mkdir(parents=True)
    (inside / "file").write_text("old")
    (inside / "loop").symlink_to("loop")
    os.mknod(inside / "socket", stat.S_IFSOCK | 0o600)
    monkeypatch.chdir(inside)
    return inside


@pytest.mark.parametrize("name", NOWHERE)
def test_a_place_that_cannot_be_written_is_told_before_the_work_and_nothing_is_made(name: str, inside: Path):
    before = sorted(inside.parent.rglob("*"))
    with pytest.raises(ConfigInvalid, match=r"^--outcome-file: .* cannot be written: "):
        check_places(Namespace(output=None, outcome_file=name))
    with pytest.raises(ConfigInvalid, match=r" cannot be written: "):
        write_text(name, "new")
    assert sorted(inside.parent.rglob("*")) == before
    assert (inside / "file").read_text() == "old"


@pytest.mark.parametrize("name", ["file", "file/due", "loop"])
def test_a_folder_that_cannot_be_one_is_told(name: str, inside: Path):
    with pytest.raises(ConfigInvalid, match=r"^--due-dir: "):
        check_places(Namespace(due_dir=name))


def test_a_place_that_will_be_made_is_none_to_complain_about_and_is_not_made_yet(inside: Path):
    check_places(Namespace(output="new/deep/out.json", due_dir="new/due"))
    assert not (inside / "new").exists()


def test_two_flags_do_not_write_one_file(inside: Path):
    with pytest.raises(ConfigInvalid, match=r"--links-file: '\./x' is the file of --output too"):
        check_places(Namespace(output="x", links_file="./x"))


def test_a_command_ends_before_its_work_when_its_report_has_no_place(inside: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("argotune.cli.commands.run.ports_of", lambda _: pytest.fail("it went to work"))
    assert main(["run", "--tenant", "acme", "--output", "folder"]) == 2


def test_what_cannot_be_written_is_printed_and_the_rest_is_written(inside: Path, capsys: pytest.CaptureFixture[str]):
    lost = deliver([("folder", '{"report": 1}\n'), ("outcome", "done"), (None, "not asked for"), (".", "links")])
    assert capsys.readouterr().out == '{"report": 1}\nlinks\n'
    assert (inside / "outcome").read_text() == "done"
    assert "'folder' cannot be written" in str(lost)
