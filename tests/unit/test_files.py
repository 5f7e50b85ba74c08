"""files.py: a file is the old one or the new one, and never half of it."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apphub.files import write_atomically


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_new_file(tmp_path, mode):
    path = tmp_path / "a/b/file"
    write_atomically(path, "Ünal\n売上\n", mode)
    assert path.read_bytes() == "Ünal\n売上\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert list(path.parent.iterdir()) == [path]


def test_replaced_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o755)
    write_atomically(path, b"\xff\r\n")
    assert path.read_bytes() == b"\xff\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_interrupted_it_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_):
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_is_not_utf_8_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_symlink_is_replaced_and_what_it_points_to_is_kept(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "file").symlink_to("target")
    write_atomically(tmp_path / "file", "new")
    assert (tmp_path / "target").read_text() == "old"
    assert (tmp_path / "file").read_text() == "new"


def test_many_writers_at_a_time(tmp_path):
    path = tmp_path / "file"
    texts = [f"{number}" * 100_000 for number in range(10)]
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda text: write_atomically(path, text), texts))
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]
