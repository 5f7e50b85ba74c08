"""What the user is told when a project was made or updated."""

from __future__ import annotations

from pathlib import Path

import pytest

from apphub.update.report import Report, describe_users


@pytest.fixture
def report(tmp_path):
    (tmp_path / "my apps").mkdir()
    return Report("Data Apps", tmp_path / "my apps", tmp_path, ["The password."], [], [], False)


def test_a_new_project(report):
    lines = str(report).splitlines()
    assert lines[1:4] == [f"Data Apps is in {report.folder}", "", "The password."]
    assert lines[-6:-2] == [
        "    cd 'my apps'",
        "    python3 -m venv .venv && . .venv/bin/activate",
        "    pip install -r requirements.txt",
        "    streamlit run app.py",
    ]
    assert "unchanged" not in str(report)
    assert "Review" not in str(report)


def test_an_update(report):
    written = [*map(Path, ("a.new", "b.py.old", "c", "apphub.old/web/d.py", "docs/new.md"))]
    text = str(report._replace(is_update=True, written=written, foreign=["log.py"]))
    review = "Review these, then delete them:\n    a.new\n    apphub.old/web/d.py\n    b.py.old\n<"
    assert review in text
    assert "names:\n    log.py\n" in text
    assert "python manage.py check" in text
    assert "venv" not in text
    assert "Procfile" not in text


def test_the_deprecated_server_is_mentioned_while_it_is_there(report):
    removed = report._replace(written=[Path("server.py")], is_update=True)
    assert "Procfile" not in str(removed)
    (report.folder / "server.py").touch()
    assert "    web: python -m apphub.server bin/start-nginx\n" in str(removed)


def test_in_the_projects_own_folder_there_is_no_cd(report):
    assert "cd " not in str(report._replace(start=report.folder))
    assert f"cd '{report.folder}'" in str(report._replace(start=Path("/elsewhere")))


def test_a_user_is_mentioned_who_is_missing_and_was_never_added(tmp_path):
    (tmp_path / ".htpasswd").write_text("anna:x\n")
    assert len(describe_users(tmp_path, "anna")) == 1
    assert describe_users(tmp_path, "bob")[1].endswith("python manage.py passwd bob")
    (tmp_path / ".cookiecutter.json").write_text('{"auth_user": "bob"}')
    assert len(describe_users(tmp_path, "bob")) == 1
