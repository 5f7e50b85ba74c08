"""Files that are replaced, with a way back."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from apphub.update.changes import Changes


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root/config").mkdir(parents=True)
    (tmp_path / "root/a.txt").write_text("old")
    (tmp_path / "root/a.txt").chmod(0o600)
    (tmp_path / "root/link").symlink_to("a.txt")
    (tmp_path / "new.txt").write_text("new")
    (tmp_path / "new.txt").chmod(0o755)
    return tmp_path / "root"


def snapshot(root: Path) -> dict[str, object]:
    return {
        path.relative_to(root).as_posix(): (
            path.lstat().st_mode,
            path.is_file() and path.read_text(),
        )
        for path in root.rglob("*")
    }


def test_all_of_it_is_undone(root):
    before, new = snapshot(root), root.parent / "new.txt"
    changes = Changes(root, root.parent / "backup")
    for name in ("a.txt", "a.txt", "b.txt", "config/c.txt", "x/y/z.txt", "link"):
        changes.put(new, Path(name))
    changes.put(root / "a.txt", Path("a.txt.old"))
    changes.remove(Path("a.txt"))
    assert (root / "x/y/z.txt").read_text() == "new"
    assert (root / "x/y/z.txt").stat().st_mode & 0o777 == 0o755
    assert not (root / "link").is_symlink()
    assert not (root / "a.txt").exists()
    changes.undo()
    assert snapshot(root) == before


def test_a_file_of_another_program_stays_when_it_is_undone(root):
    changes = Changes(root, root.parent / "backup")
    changes.put(root.parent / "new.txt", Path("x/y.txt"))
    (root / "x/theirs.txt").write_text("theirs")
    changes.undo()
    assert [path.name for path in (root / "x").iterdir()] == ["theirs.txt"]


def test_a_failure_leaves_no_unfinished_file(root):
    changes = Changes(root, root.parent / "backup")
    with pytest.raises(OSError, match="config"):
        changes.put(root.parent / "new.txt", Path("config"))
    before = snapshot(root)
    changes.undo()
    assert snapshot(root) == before
    assert (root / "config").is_dir()


def test_a_file_of_passwords_is_never_readable_by_others(root, monkeypatch):
    """Nor is the unfinished file, whatever was left of another run."""
    source = root.parent / "new.txt"
    source.chmod(0o600)
    (root / "..users.part").symlink_to(root.parent / "elsewhere")
    modes = []
    copy = shutil.copy2

    def watch(source, target, **options):
        if str(target).endswith(".part"):
            modes.append(target.lstat().st_mode)
        return copy(source, target, **options)

    monkeypatch.setattr(shutil, "copy2", watch)
    Changes(root, root.parent / "backup").put(source, Path(".users"))
    assert [stat.S_IMODE(mode) for mode in modes] == [0o600]
    assert stat.S_ISREG(modes[0])
    assert stat.S_IMODE((root / ".users").stat().st_mode) == 0o600
    assert not (root.parent / "elsewhere").exists()
