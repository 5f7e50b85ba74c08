"""bundle.py of the generated project: what it compresses, and what it leaves."""

import gzip
import os

import pytest

TEXT = "const answer = 42;\n" * 200


@pytest.fixture
def bundle(code):
    return code.load("bundle")


@pytest.fixture
def folder(tmp_path):
    for name in ("js/index.0123abcd.js", "css/index.css", "media/logo.svg"):
        (tmp_path / "static" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "static" / name).write_text(TEXT)
    (tmp_path / "static/media/font.woff2").write_bytes(b"font" * 1000)
    return tmp_path / "static"


def packed(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.gz")}


def test_every_text_has_its_compressed_version_beside_it(bundle, folder):
    plain, small = bundle.compress(folder)
    assert plain == 3 * len(TEXT)
    assert small == sum(path.stat().st_size for path in folder.rglob("*.gz")) < plain / 10
    assert packed(folder) == {"js/index.0123abcd.js.gz", "css/index.css.gz", "media/logo.svg.gz"}
    for name in packed(folder):
        assert gzip.decompress((folder / name).read_bytes()).decode() == TEXT


def test_a_second_build_writes_nothing(bundle, folder):
    sizes = bundle.compress(folder)
    written = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert bundle.compress(folder) == sizes
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == written


def test_after_an_upgrade_nothing_is_stale(bundle, folder):
    """Not even where name, size and time are what they were."""
    bundle.compress(folder)
    script, style = folder / "js/index.0123abcd.js", folder / "css/index.css"
    before = script.stat()
    script.write_text(TEXT.replace("42", "43"))
    os.utime(script, ns=(before.st_atime_ns, before.st_mtime_ns))
    style.unlink()
    bundle.compress(folder)
    assert packed(folder) == {"js/index.0123abcd.js.gz", "media/logo.svg.gz"}
    assert b"43" in gzip.decompress((folder / "js/index.0123abcd.js.gz").read_bytes())


@pytest.mark.parametrize("cut", [0, 4, 30], ids="{} bytes".format)
def test_what_an_interrupted_build_has_left_is_made_anew(bundle, folder, cut):
    bundle.compress(folder)
    script = folder / "js/index.0123abcd.js.gz"
    whole = script.read_bytes()
    script.write_bytes(whole[:cut])
    bundle.compress(folder)
    assert script.read_bytes() == whole


def test_without_streamlit_there_is_no_bundle(bundle, monkeypatch):
    monkeypatch.setattr(bundle, "find_spec", lambda name: None)
    assert bundle.streamlit_bundle() is None


def test_it_finds_the_bundle_without_importing_streamlit(bundle, tmp_path, monkeypatch):
    (tmp_path / "streamlit/static/static").mkdir(parents=True)
    (tmp_path / "streamlit/__init__.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert bundle.streamlit_bundle() == tmp_path / "streamlit/static/static"
    (tmp_path / "streamlit/static/static").rmdir()
    assert bundle.streamlit_bundle() is None
