"""config/nginx.conf.erb, rendered and read by nginx; and without erb and nginx."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from baked import BakedProject, git
from check_helpers import TEMPLATE, add_to_git, added, copy_files, file
from strategies import HASH

from apphub.check import nginx
from apphub.check.nginx_render import LineMap, copy_project
from apphub.check.project import Project
from apphub.check.report import CheckSkipped
from apphub.paths import NGINX_CONF

if TYPE_CHECKING:
    from apphub.finding import Finding

PLACE = "    # Your own locations go here.\n"
PORT = '<%= Integer(ENV.fetch("PORT")) %>'
WORKERS = '<%= Integer(ENV.fetch("NGINX_WORKERS", "8")) %>'
# Where programs are here.
PATH = f"{os.environ['PATH']}:/usr/sbin"
NO_NGINX = ("nginx -t", "nginx is not installed here")


@pytest.fixture
def project(project: BakedProject) -> BakedProject:
    """The project with its nginx configuration."""
    copy_files(project, NGINX_CONF)
    shutil.copytree(TEMPLATE / "apphub/nginx", project.path / "apphub/nginx")
    return project


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    """Nothing is left there."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def erb(programs):
    """Have erb."""
    for name in ("erb", "ruby", "env"):
        if not (path := shutil.which(name, path=PATH)):
            pytest.skip("erb missing: apt-get install ruby")
        (programs / name).symlink_to(path)


@pytest.fixture
def with_nginx(programs, erb):
    """Have erb and nginx."""
    if not (path := shutil.which("nginx", path=PATH)):
        pytest.skip("nginx missing: apt-get install nginx-light")
    (programs / "nginx").symlink_to(path)


@pytest.fixture
def run(project, programs):
    """Run the check. Return what it finds, and the part and the reason of what it skips."""

    def run(**environ: str) -> tuple[list[Finding], tuple[str, str] | None]:
        found: list[Finding] = []
        checked = Project(project.path, {"PATH": str(programs), **environ})
        try:
            # Not list(): what was found before it was skipped counts.
            found.extend(nginx.check(checked))
        except CheckSkipped as skipped:
            return found, (skipped.part, skipped.reason)
        return found, None

    return run


def codes(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in found]


def line_of(project: BakedProject, text: str) -> str:
    """Return the place of the only line of the user's file that has this text."""
    lines = project.read(NGINX_CONF).splitlines()
    [number] = [number for number, line in enumerate(lines, 1) if text in line]
    return f"{NGINX_CONF}, line {number}"


# -- With erb and nginx ----------------------------------------------------------------------------


def test_templates_configuration(project, run, with_nginx):
    before = project.files
    assert run() == ([], None)
    assert project.files == before


SYNTAX = {
    "an unknown directive": (PLACE, "    server_token off;\n", "unknown directive"),
    "the wrong place": (PLACE, "    worker_processes 2;\n", "is not allowed here"),
    "a missing file": (PLACE, "    include gone.conf;\n", "gone.conf"),
    "a duplicate": (PLACE, "    client_body_timeout 9s;\n", "duplicate"),
}


@pytest.mark.parametrize(("old", "new", "words"), SYNTAX.values(), ids=SYNTAX)
def test_what_nginx_refuses(project, run, with_nginx, old, new, words):
    project.change(NGINX_CONF, old, new)
    [finding], skipped = run()
    assert (finding.code, finding.where) == ("nginx-syntax", line_of(project, new.strip()))
    assert words in finding.text
    assert not skipped


def test_missing_brace(project, run, with_nginx):
    project.change(NGINX_CONF, "events {\n", "events\n")
    [finding], _ = run()
    assert finding.code == "nginx-syntax"
    assert re.fullmatch(rf"{NGINX_CONF}, line \d+", finding.where)
    assert 'directive "events" has no opening "{"' in finding.text


def test_line_that_is_there_twice(project, run, with_nginx):
    project.change(NGINX_CONF, PLACE, "    server_token off;\n" * 2)
    [finding], _ = run()
    assert (finding.code, finding.where) == ("nginx-syntax", f"{NGINX_CONF}, line 21")


def test_file_that_the_users_file_includes(project, run, with_nginx):
    project.change(NGINX_CONF, PLACE, "    include mine.conf;\n")
    file("config/mine.conf", "client_body_buffer_size 1m;\n")(project)
    assert run() == ([], None)
    file("config/mine.conf", "\nclient_body_buffer_size maybe;\n")(project)
    [finding], _ = run()
    assert (finding.code, finding.where) == ("nginx-syntax", "config/mine.conf, line 2")
    assert "invalid value" in finding.text


def test_file_of_the_template(project, run, with_nginx):
    added("apphub/nginx/server.conf", "server_token off;\n")(project)
    lines = project.read("apphub/nginx/server.conf").count("\n")
    [finding], _ = run()
    assert codes([finding]) == [("nginx-syntax", f"apphub/nginx/server.conf, line {lines}")]


def test_syntax_and_rules_at_once(project, run, with_nginx):
    project.change(NGINX_CONF, PLACE, "    satisfy any;\n    server_token off;\n")
    found, _ = run()
    assert [finding.code for finding in found] == ["nginx-syntax", "nginx-auth-basic-off"]


def test_directive_that_only_herokus_nginx_has(project, run, with_nginx):
    project.change(NGINX_CONF, PLACE, "    more_clear_headers Server;\n    satisfy any;\n")
    found, skipped = run()
    assert [finding.code for finding in found] == ["nginx-auth-basic-off"]
    if skipped:
        assert skipped[0] == "nginx -t"
        assert 'unknown directive "more_clear_headers"' in skipped[1]


RUBY = {
    "a failure": ("<%= undefined_name %>", "undefined local variable or method"),
    "a syntax error": ("<%= 1 = = 2 %>", "syntax error"),
}


@pytest.mark.parametrize(("tag", "words"), RUBY.values(), ids=RUBY)
def test_ruby_that_fails(project, run, erb, tag, words):
    project.change(NGINX_CONF, PLACE, f"{PLACE}    # {tag}\n")
    [finding], skipped = run()
    assert finding.code == "nginx-render"
    assert re.match(rf"{NGINX_CONF}, line \d+$", finding.where)
    assert words in finding.text
    assert not skipped


def test_ruby_of_the_users_own(project, run, with_nginx):
    project.change(
        NGINX_CONF,
        PLACE,
        '<% if ENV["MAINTENANCE"] %>\n    satisfy any;\n<% end %>\n<% 2.times do |n| %>\n'
        "    location /<%= n %> { auth_basic off; }\n<% end %>\n",
    )
    found, _ = run(MAINTENANCE="1")
    assert codes(found) == [
        ("nginx-auth-basic-off", line_of(project, "auth_basic off")),
        ("nginx-auth-basic-off", line_of(project, "auth_basic off")),
        ("nginx-auth-basic-off", line_of(project, "satisfy any")),
    ]
    found, _ = run()
    assert [finding.code for finding in found] == ["nginx-auth-basic-off"] * 2


@pytest.mark.parametrize(
    "environ",
    [{"NGINX_WORKERS": "eight"}, {"PORT": "x"}, {"FRAME_ANCESTORS": "*"}, {"SESSION_SECRET": "x"}],
    ids=str,
)
def test_settings_are_the_access_checks(run, with_nginx, environ):
    assert run(**environ) == ([], None)


@pytest.mark.parametrize("users", [None, "", "bob:{PLAIN}hunter2-hunter2\n", "$host:x\n"])
def test_users_are_the_access_checks(project, run, with_nginx, users):
    (project.path / ".htpasswd").unlink()
    if users is not None:
        project.write(".htpasswd", users)
    assert run() == ([], None)


def test_name_in_app_json_cannot_end_its_quotes(project, run, with_nginx):
    file("app.json", '{"name": "a\\"; return 200; # $host } \\\\"}')(project)
    assert run() == ([], None)


def test_ruby_that_is_too_old(run, programs):
    (programs / "erb").write_text(
        "#!/bin/sh\n[ $1 = version ] && echo 2.6.10 && exit\n"
        "echo \"undefined method 'except'\" >&2\nexit 1\n"
    )
    (programs / "erb").chmod(0o755)
    assert run() == ([], ("", "Ruby 2.6.10 here says: undefined method 'except'"))


def test_nginx_that_is_too_old(project, run, programs):
    project.change(NGINX_CONF, PLACE, "    satisfy any;\n")
    (programs / "nginx").write_text("#!/bin/sh\necho 'nginx: invalid option: \"e\"' >&2\nexit 1\n")
    (programs / "nginx").chmod(0o755)
    found, skipped = run()
    assert [finding.code for finding in found] == ["nginx-auth-basic-off"]
    assert skipped == ("nginx -t", 'nginx here says: nginx: invalid option: "e"')


def test_windows(run, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert run() == ([], ("nginx -t", "it requires Linux or macOS"))


def test_without_links(run, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert run() == ([], NO_NGINX)


# -- Without them ----------------------------------------------------------------------------------


def test_without_erb_and_nginx(project, run):
    assert run() == ([], NO_NGINX)
    project.change(NGINX_CONF, PLACE, "    satisfy any;\n")
    found, skipped = run()
    assert codes(found) == [("nginx-auth-basic-off", line_of(project, "satisfy any"))]
    assert skipped == NO_NGINX


@pytest.mark.parametrize("variable", [{"STACK": "heroku-24"}, {"DYNO": "run.1"}], ids=str)
def test_herokus_build_says_nothing_of_what_it_lacks(project, run, variable):
    assert run(**variable) == ([], ("nginx -t", ""))
    project.change(NGINX_CONF, PLACE, "    satisfy any;\n")
    found, _ = run(**variable)
    assert [finding.code for finding in found] == ["nginx-auth-basic-off"]


def test_herokus_build_runs_no_nginx(project, run, with_nginx):
    project.change(NGINX_CONF, PLACE, "    server_token off;\n")
    assert run(STACK="heroku-24") == ([], ("nginx -t", ""))


@pytest.mark.parametrize(
    "tag",
    [
        PORT,
        "<%=Integer(ENV.fetch('PORT'))%>",
        '<%=  Integer( ENV.fetch( "PORT" ) )  %>',
    ],
)
def test_known_tags_need_no_ruby(project, run, tag):
    project.change(NGINX_CONF, PORT, tag)
    project.change(NGINX_CONF, WORKERS, "<%=Integer(ENV.fetch('NGINX_WORKERS','4'))%>")
    assert run() == ([], NO_NGINX)


def test_known_tags_render_as_with_ruby(project, programs, erb):
    def render(**environ: str) -> str:
        with copy_project(Project(project.path, environ)) as folder:
            return (folder / "config/nginx.conf").read_text("utf-8")

    for workers in ({}, {"NGINX_WORKERS": "3"}):
        with_ruby = render(PATH=str(programs), **workers)
        assert render(PATH="/nothing", **workers) == with_ruby
        assert "listen 8000;" in with_ruby
        assert f"worker_processes {workers.get('NGINX_WORKERS', '8')};" in with_ruby


@pytest.mark.parametrize("environ", [{}, {"STACK": "heroku-24"}], ids=["here", "on Heroku"])
@pytest.mark.parametrize(
    "text",
    [
        '    location /<%= ENV["X"] %> { satisfy any; }\n',
        '    <%= ENV["X"] %> satisfy any;\n',
        '    <%= ENV["X"] %>\n    satisfy any;\n',
        "    server_name <%= names %>; <% names.each do |name| %> satisfy any; <% end %>\n",
    ],
)
def test_without_ruby_the_rules_are_applied_to_what_is_not_a_tag(project, run, environ, text):
    """Only the output of the tags is not checked."""
    project.change(NGINX_CONF, PLACE, text)
    found, (part, reason) = run(**environ)
    assert [finding.code for finding in found] == ["nginx-auth-basic-off"]
    assert part == "nginx -t"
    assert "erb is not installed here" in reason


def test_what_cannot_be_parsed(project, run):
    project.change(NGINX_CONF, PLACE, f"{PLACE}    }}\n")
    found, skipped = run()
    assert [finding.code for finding in found] == ["nginx-syntax"]
    assert found[0].where.startswith(f"{NGINX_CONF}, line ")
    assert skipped == NO_NGINX


def test_missing_configuration(project, findings):
    (project.path / NGINX_CONF).unlink()
    [finding] = findings(nginx.check)
    assert (finding.code, finding.where) == ("nginx-conf-missing", NGINX_CONF)
    assert finding.hint.endswith(f"git checkout HEAD -- {NGINX_CONF}")


def test_copy_has_no_password_and_no_session(project):
    """Another program on this computer may read the temporary folder of a check that was killed."""
    password_hash = HASH.replace("AZ", "za")
    project.write(".htpasswd", f"anna.b:{password_hash}\n")
    with copy_project(Project(project.path, {"SESSION_SECRET": "y" * 64})) as folder:
        (folder / ".htpasswd").unlink()  # a link to the project's
        text = "".join(path.read_text() for path in folder.glob("config/generated/*"))
    assert '"anna.b"' in text
    assert password_hash not in text


# -- Earlier versions ------------------------------------------------------------------------------

FIRST_EDITION = "f8cd405"


@pytest.fixture
def old_configuration(project):
    """The configuration of 2026.11.1, which has all rules in itself."""
    text = git("show", f"{FIRST_EDITION}:{{{{cookiecutter.project_slug}}}}/_hook/{NGINX_CONF}")
    project.write(NGINX_CONF, text)


@pytest.mark.parametrize("environ", [{}, {"STACK": "heroku-24"}], ids=["here", "on Heroku"])
def test_old_configuration(project, run, old_configuration, with_nginx, environ):
    [finding], skipped = run(**environ)
    assert (finding.code, finding.where) == ("nginx-outdated", NGINX_CONF)
    assert "python manage.py update" in finding.hint
    assert finding.hint.endswith(f"mv {NGINX_CONF}.new {NGINX_CONF}")
    assert "\n" not in str(finding)
    assert not skipped


def test_old_configuration_with_the_new_one_beside_it(project, run, old_configuration):
    file(f"{NGINX_CONF}.new", "http {}\n")(project)
    [finding], _ = run()
    assert finding.code == "nginx-outdated"
    assert "update" not in finding.hint
    assert finding.hint.endswith(f"mv {NGINX_CONF}.new {NGINX_CONF}")


def test_includes_in_a_file_of_the_users_own(project, run):
    text = project.read(NGINX_CONF)
    block = text[text.index("http {") :]
    project.write(NGINX_CONF, text.replace(block, "include site.conf;\n"))
    file("config/site.conf", block.replace(PORT, "8000"))(project)
    file("config/nginx.conf", "of an earlier start")(project)
    assert run() == ([], NO_NGINX)


def test_generated_files_of_an_earlier_start_are_not_used(project, run):
    file("config/generated/settings.conf", "}")(project)
    assert run() == ([], NO_NGINX)
    assert project.read("config/generated/settings.conf") == "}"


# -- Lines -----------------------------------------------------------------------------------------

LINES = {
    "the same line": ("a;\nb;\n", "a;\nb;\n", 2, "line 2"),
    "a tag": ("a <%= 1 %>;\nb;\n", "a 1;\nb;\n", 1, "line 1"),
    "moved": ("<% 2.times do %>\na;\n<% end %>\nb;\n", "\na;\n\na;\n\nb;\n", 6, "line 4"),
    "repeated": ("<% 2.times do %>\na;\n<% end %>\nb;\n", "\na;\n\na;\n\nb;\n", 4, "line 2"),
    "not the only one": ("x\n\na;\na;\n", "a;\n", 1, "line 1 of what it renders"),
    "gone": ("a;\n", "b;\n", 1, "line 1 of what it renders"),
    "beyond the end": ("a;\n", "a;\n", 7, "line 7 of what it renders"),
}


@pytest.mark.parametrize(("source", "rendered", "line", "place"), LINES.values(), ids=LINES)
def test_line_of_the_users_file(source, rendered, line, place):
    lines = LineMap(source, rendered)
    assert lines.locate("config/nginx.conf", line) == f"{NGINX_CONF}, {place}"
    assert lines.locate("config/nginx.conf", None) == NGINX_CONF
    assert lines.locate("config/mine.conf", line) == f"config/mine.conf, line {line}"


def test_git_does_not_matter(project, run):
    add_to_git(project)
    assert run() == ([], NO_NGINX)
