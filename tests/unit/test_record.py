"""apphub/RECORD."""

from __future__ import annotations

import subprocess

import pytest

from apphub.record import compute_hashes, find_edited_files, read_record, write_record


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "b.py").write_bytes(b"b\n")
    (tmp_path / "web/a.py").write_bytes(b"a\nA\n")
    write_record(tmp_path)
    return tmp_path


def test_it_lists_each_file_with_its_hash(folder):
    assert list(read_record(folder)) == ["b.py", "web/a.py"]
    subprocess.run(["sha256sum", "--check", "--quiet", "RECORD"], cwd=folder, check=True)
    assert not find_edited_files(folder)


def test_edited_and_added_files_are_found(folder):
    (folder / "b.py").write_bytes(b"mine\n")
    (folder / "web/c.py").write_bytes(b"")
    (folder / "web/a.py").unlink()
    assert find_edited_files(folder) == ["b.py", "web/c.py"]


def test_line_ends_of_windows_are_not_edits(folder):
    (folder / "web/a.py").write_bytes(b"a\r\nA\r\n")
    (folder / "RECORD").write_bytes((folder / "RECORD").read_bytes().replace(b"\n", b"\r\n"))
    assert not find_edited_files(folder)


def test_caches_and_hidden_files_do_not_count(folder):
    (folder / "web/__pycache__").mkdir()
    for name in ("web/__pycache__/a.pyc", ".DS_Store", "web/.a.py.swp"):
        (folder / name).write_bytes(b"x")
    assert list(compute_hashes(folder)) == ["b.py", "web/a.py"]
    assert not find_edited_files(folder)


def test_without_a_record_nothing_is_known(folder):
    (folder / "RECORD").unlink()
    with pytest.raises(FileNotFoundError):
        find_edited_files(folder)
