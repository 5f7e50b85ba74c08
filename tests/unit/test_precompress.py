"""build/precompress.py: what it compresses, and what it leaves as it is."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from apphub import paths
from apphub.build import precompress
from apphub.build.precompress import precompress as run

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "const answer = 42;\n" * 200
PROGRAM = """
import sys
from pathlib import Path
from apphub.build.precompress import precompress
sys.stdin.readline()
print(precompress(Path(sys.argv[1])))
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("js/index.0123abcd.js", "css/index.css", "media/logo.svg"):
        (tmp_path / "static" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "static" / name).write_text(TEXT)
    (tmp_path / "static/media/font.woff2").write_bytes(b"font" * 1000)
    return tmp_path / "static"


def compressed(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.gz")}


def test_every_text_has_its_compressed_version_beside_it(folder):
    size, compressed_size = run(folder)
    assert size == 3 * len(TEXT)
    assert compressed_size == sum(path.stat().st_size for path in folder.rglob("*.gz")) < size / 10
    names = {"js/index.0123abcd.js.gz", "css/index.css.gz", "media/logo.svg.gz"}
    assert compressed(folder) == names
    for name in names:
        assert gzip.decompress((folder / name).read_bytes()).decode() == TEXT
        assert (folder / name).stat().st_mode & 0o777 == 0o644


def test_second_build_writes_nothing(folder):
    sizes = run(folder)
    written = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert run(folder) == sizes
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == written


def test_after_an_upgrade_nothing_is_stale(folder):
    """Not even where name, size and time are what they were."""
    run(folder)
    script, style = folder / "js/index.0123abcd.js", folder / "css/index.css"
    before = script.stat()
    script.write_text(TEXT.replace("42", "43"))
    os.utime(script, ns=(before.st_atime_ns, before.st_mtime_ns))
    style.unlink()
    run(folder)
    assert compressed(folder) == {"js/index.0123abcd.js.gz", "media/logo.svg.gz"}
    assert b"43" in gzip.decompress((folder / "js/index.0123abcd.js.gz").read_bytes())


@pytest.mark.parametrize("size", [0, 4, 30], ids="{} bytes".format)
def test_file_of_an_interrupted_build_is_replaced(folder, size):
    run(folder)
    script = folder / "js/index.0123abcd.js.gz"
    whole = script.read_bytes()
    script.write_bytes(whole[:size])
    run(folder)
    assert script.read_bytes() == whole


def test_two_builds_write_one_file_at_a_time(folder, monkeypatch):
    """Both have written a temporary file before either renames its own."""
    replace, both = os.replace, threading.Barrier(2)

    def replace_together(source: Path, target: Path) -> None:
        both.wait(60)
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_together)
    for name in ("css/index.css", "media/logo.svg"):
        (folder / name).unlink()
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(run, [folder, folder])
    assert first == second
    assert compressed(folder) == {"js/index.0123abcd.js.gz"}
    assert gzip.decompress((folder / "js/index.0123abcd.js.gz").read_bytes()).decode() == TEXT
    assert {path.name for path in (folder / "js").iterdir()} == {
        "index.0123abcd.js",
        "index.0123abcd.js.gz",
    }


def test_two_processes_at_a_time_both_succeed(folder):
    for number in range(100):
        (folder / f"js/{number}.js").write_text(f"{TEXT}{number}")
        (folder / f"css/{number}.css.gz").write_text("of a file that is gone")
    environ = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, "-c", PROGRAM, folder]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    builds = [subprocess.Popen(command, env=environ, **pipes) for _ in range(2)]
    for build in builds:
        build.stdin.write("\n")
        build.stdin.flush()
    (first, _), (second, _) = (build.communicate(timeout=60) for build in builds)
    assert [build.returncode for build in builds] == [0, 0]
    assert first == second
    assert len(compressed(folder)) == 103


def test_without_streamlit_there_are_no_static_files(monkeypatch, capsys):
    monkeypatch.setattr(paths, "find_spec", lambda name: None)
    assert paths.find_static_files() is None
    precompress.main()
    assert "no folder static/static" in capsys.readouterr().out


def test_static_files_are_found_without_importing_streamlit(tmp_path, monkeypatch, capsys):
    (tmp_path / "streamlit/static/static").mkdir(parents=True)
    (tmp_path / "streamlit/__init__.py").write_text("1 / 0\n")
    (tmp_path / "streamlit/static/static/x.js").write_text("x" * 1_000_000)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "streamlit", raising=False)
    assert paths.find_static_files() == tmp_path / "streamlit/static/static"
    precompress.main()
    assert "1.0 MB, compressed 0.0 MB" in capsys.readouterr().out
    assert compressed(tmp_path) == {"streamlit/static/static/x.js.gz"}
    for path in (tmp_path / "streamlit/static/static").iterdir():
        path.unlink()
    (tmp_path / "streamlit/static/static").rmdir()
    assert paths.find_static_files() is None
