"""Mutation tests: puts each known mistake into the template, and shows that a test fails.

    .venv/bin/python tests/mutants.py [NUMBER ...]

The mistakes are those with which gateways of this kind were found open or broken. Each goes into a
copy of the template, and the suites run on the copy until one test fails. Prints which test that
was. The exit status is 1 where no test failed. Takes half an hour.

Where a user could make the same mistake in config/nginx.conf.erb, the mutant has that form, too:
tests/unit/check/test_nginx_mutants.py shows that `manage.py check` refuses it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "{{cookiecutter.project_slug}}"
USERS_CONF = f"{PROJECT}/_hook/config/nginx.conf.erb"
HTTP = f"{PROJECT}/apphub/nginx/http.conf"
SERVER = f"{PROJECT}/apphub/nginx/server.conf"
STATIC = f"{PROJECT}/apphub/nginx/static.conf"
GATEWAY = f"{PROJECT}/apphub/server/gateway.py"
GATEWAY_APPS = f"{PROJECT}/apphub/server/gateway_apps.py"
USERS = f"{PROJECT}/apphub/users.py"
# From outside, by reading the configuration, and what neither can see.
SUITES = [
    ["tests/dyno/test_access.py", "tests/dyno/test_rate_limits.py"],
    ["tests/dyno/test_app_routing.py"],
    ["tests/unit/check/test_nginx_rules.py"],
    ["tests/unit/test_users.py", "tests/dyno/test_users.py", "tests/dyno/test_fail_closed.py"],
    ["tests/dyno/test_log.py"],
    ["tests/browser"],
]


class Edit(NamedTuple):
    """A text in a file, and what replaces it."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Change the file.

        Raises:
            LookupError: the text is not there any more.
        """
        path = root / self.file
        text = path.read_text("utf-8")
        if self.old not in text:
            raise LookupError(f"The mutant does not fit any more: no {self.old!r} in {self.file}")
        path.write_text(text.replace(self.old, self.new), "utf-8")


@dataclass(frozen=True)
class Mutant:
    """A mistake.

    Attributes:
        number: its number.
        what: what is wrong.
        edits: how it gets into the template.
        in_server: the same as a user's lines in the server block of config/nginx.conf.erb.
        in_http: the same as a user's lines in the http block.
        in_file: the same as an edit of config/nginx.conf.erb: a text and what replaces it.
    """

    number: str
    what: str
    edits: tuple[Edit, ...]
    in_server: str = ""
    in_http: str = ""
    in_file: tuple[str, str] | None = None


INCLUDE_HEADERS = "include ../apphub/nginx/headers.conf;\n"
LIMIT_PER_ADDRESS = "limit_req zone=login_per_ip burst=40;\n"
LIMITS_IN_TOTAL = "limit_req zone=login_total burst=200;\nlimit_req zone=bcrypt_total burst=50;\n"
INCLUDE_HTTP = "include ../apphub/nginx/http.conf;"
INCLUDE_SERVER = "include ../apphub/nginx/server.conf;"
# A location of the user's own that passes requests on.
OWN_PROXY = "location /own/ {{ proxy_pass http://$streamlit; {} }}".format
NO_HEADERS = "proxy_pass_request_headers off;"

MUTANTS = [
    Mutant(
        "1",
        "two values joined without a separator",
        (
            Edit(
                HTTP,
                '"$session_user:$remote_user" $new_session',
                '"$session_user$remote_user" $new_session',
            ),
            Edit(GATEWAY, """f'":{name}" "{value}";'""", """f'"{name}" "{value}";'"""),
        ),
        in_http='map "$session_user$remote_user" $joined { default ""; anna x; }',
    ),
    Mutant(
        "2a",
        "the cookie set for the whole server",
        (
            Edit(
                SERVER,
                f"burst=50;\n\n{INCLUDE_HEADERS}",
                f"burst=50;\n\nadd_header Set-Cookie $session_cookie;\n{INCLUDE_HEADERS}",
            ),
        ),
        in_server="add_header Set-Cookie $session_cookie;",
    ),
    Mutant(
        "2b",
        "the cookie set on errors, too",
        (Edit(SERVER, "Set-Cookie $session_cookie;", "Set-Cookie $session_cookie always;"),),
        in_server=OWN_PROXY(f"{NO_HEADERS} add_header Set-Cookie $session_cookie always;"),
    ),
    Mutant(
        "3",
        "the user as the client wrote it",
        (Edit(SERVER, "-User $user;", "-User $remote_user;"),),
        in_server=OWN_PROXY(f"{NO_HEADERS} proxy_set_header X-Forwarded-User $remote_user;"),
    ),
    Mutant(
        "4",
        "no password file",
        (Edit(SERVER, "auth_basic_user_file generated/htpasswd;", ""),),
        in_http="server { listen 8001; auth_basic Apps; }",
    ),
    Mutant(
        "5a", "any name for a user", (Edit(USERS, "[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", "[^:]+"),)
    ),
    Mutant(
        "5b",
        "names that differ only in case",
        (Edit(USERS, "setdefault(name.lower(), number)", "setdefault(name, number)"),),
    ),
    Mutant(
        "6",
        "any upgrade that a client asks for",
        (
            Edit(SERVER, "Upgrade $passed_upgrade;", "Upgrade $http_upgrade;"),
            Edit(SERVER, "Connection $passed_connection;", "Connection $http_connection;"),
        ),
        in_server=OWN_PROXY(f"{NO_HEADERS} proxy_set_header Upgrade $http_upgrade;"),
    ),
    Mutant(
        "7",
        "forged addresses passed on",
        (Edit(SERVER, "-For $remote_addr;", "-For $proxy_add_x_forwarded_for;"),),
        in_server=OWN_PROXY(
            f"{NO_HEADERS} proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        ),
    ),
    Mutant(
        "8",
        "passwords in the error log",
        (Edit(USERS_CONF, "error.log alert;", "error.log info;"),),
        in_file=("error.log alert;", "error.log info;"),
    ),
    Mutant(
        "9",
        "a location without the server's headers",
        (Edit(SERVER, f"  {INCLUDE_HEADERS}", ""),),
        in_server="location /own/ { add_header X-Own 1 always; }",
    ),
    Mutant(
        "10",
        "an alias without its slash",
        (Edit(SERVER, "location / {\n", "location /static { alias apps/; }\nlocation / {\n"),),
        in_server="location /own { alias apps/; }",
    ),
    Mutant(
        "11",
        "hash buckets too small for sessions",
        (Edit(HTTP, "map_hash_bucket_size 256;", "map_hash_bucket_size 64;"),),
        in_file=(INCLUDE_HTTP, f"map $uri $own {{ default 1; }}\n  {INCLUDE_HTTP}"),
    ),
    Mutant(
        "12a",
        "the cookie by a variable that cannot name it",
        (Edit(GATEWAY, "map $http_cookie $session {", "map $cookie___Host_session $session {"),),
        in_http='map $cookie___Host_session $session { default ""; "~^([0-9a-f]{64})$" $1; }',
    ),
    Mutant(
        "12b",
        "a capture that leaves its line",
        (
            Edit(GATEWAY, "([0-9a-f]{{64}})", "(?<kept>[0-9a-f]{{64}})"),
            Edit(HTTP, "map $session $session_user", "map $kept $session_user"),
        ),
        in_http='map $uri $own { default ""; "~^/(?<kept>[a-z]+)" $kept; }',
    ),
    Mutant(
        "13a",
        "sessions count as login attempts",
        (Edit(HTTP, '"~^:." attempt;', '"~:." attempt;'),),
    ),
    Mutant(
        "13b",
        "no limit per address",
        (Edit(SERVER, LIMIT_PER_ADDRESS, ""),),
        in_server="location /own/ { limit_req zone=login_total; }",
    ),
    Mutant("13c", "no limit for all addresses together", (Edit(SERVER, LIMITS_IN_TOTAL, ""),)),
    Mutant(
        "14",
        "no limit to what the time of a response tells",
        (Edit(SERVER, LIMIT_PER_ADDRESS, ""), Edit(SERVER, LIMITS_IN_TOTAL, "")),
        in_server="limit_req_dry_run on;",
    ),
    Mutant(
        "15a",
        "any hash",
        (Edit(USERS, r"\$2[aby]\$([12][0-9]|3[01])\$[./A-Za-z0-9]{53}", ".+"),),
    ),
    Mutant("15b", "any cost", (Edit(USERS, "([12][0-9]|3[01])", "[0-9]{2}"),)),
    Mutant(
        "15c",
        "a low cost",
        (Edit(f"{PROJECT}/apphub/passwords.py", "BCRYPT_COST = 12", "BCRYPT_COST = 5"),),
    ),
    Mutant("16", "bcrypt on each request", (Edit(HTTP, '  "~." off;\n', ""),)),
    Mutant(
        "17",
        "connections that outlive uvicorn's",
        (Edit(GATEWAY, "keepalive_timeout 30s;", "keepalive_timeout 90s;"),),
        in_http="upstream own { server 127.0.0.1:8001; keepalive_timeout 90s; }",
    ),
    Mutant(
        "18",
        "redirects with the inner port",
        (Edit(SERVER, "absolute_redirect off;\n", ""),),
        in_server="absolute_redirect on;",
    ),
    Mutant(
        "19a",
        "the client's headers passed on",
        (Edit(SERVER, "  proxy_pass_request_headers off;\n", ""),),
        in_server=OWN_PROXY(""),
    ),
    Mutant(
        "19b",
        "the password passed on",
        (
            Edit(
                SERVER,
                "  proxy_set_header Cookie $passed_cookie;\n",
                "  proxy_set_header Cookie $http_cookie;\n"
                "  proxy_set_header Authorization $http_authorization;\n",
            ),
        ),
        in_server=OWN_PROXY(f"{NO_HEADERS} proxy_set_header Cookie $http_cookie;"),
    ),
    # Not among the nineteen in the facts, and no better.
    Mutant("20", "WebSockets of any site", (Edit(SERVER, "rewrite ^ /.refused/403 last;", ""),)),
    Mutant(
        "21",
        "a session that can be guessed",
        (Edit(GATEWAY, "secrets.token_hex(32)", '"secret" * 9'),),
    ),
    Mutant(
        "22",
        "a session that outlives its password",
        (Edit(GATEWAY, "(cookie + user.line)", "(cookie + user.name)"),),
    ),
    Mutant(
        "23",
        "pages that a browser caches",
        (Edit(HTTP, '"private, no-store"', '"private"'),),
        in_server='location /own/ { add_header Cache-Control "public" always; }',
    ),
    Mutant(
        "24",
        "apps shown without a user",
        (Edit(f"{PROJECT}/apphub/web/launcher.py", "user is None and on_dyno()", "False"),),
    ),
    Mutant(
        "25",
        "apps shown to every user",
        (Edit(f"{PROJECT}/apphub/apps.py", "or user in self.users", "or user is not None"),),
    ),
    Mutant(
        "26a",
        "static files without a password",
        (Edit(STATIC, "gzip_static on;\n", "gzip_static on;\nauth_basic off;\n"),),
        in_server="location /own/ { alias apps/; auth_basic off; }",
    ),
    Mutant(
        "26b",
        "refusals that a browser caches",
        (
            Edit(HTTP, '"~^:(?:200|206|304):/static/"', '"~^:[0-9]+:/static/"'),
            Edit(HTTP, '"~^:(?!text/html).* .*immutable"', '"~^:.* .*immutable"'),
        ),
    ),
    Mutant(
        "27a",
        "refused users in the log",
        (Edit(HTTP, "user=$authenticated_user", "user=$user"),),
        in_http='log_format own "user=$user";',
    ),
    Mutant(
        "27b",
        "paths in the log as they are",
        (Edit(HTTP, 'path="$logged_path"', "path=$uri"),),
        in_http='log_format own "path=$uri";',
    ),
    Mutant(
        "27c",
        "query strings in the log",
        (Edit(HTTP, r"[^?#\s]", r"[^\s]"),),
        in_server="location /own/ { access_log logs/nginx/access.log; }",
    ),
    Mutant(
        "27d",
        "lines of a user's in the log",
        (
            Edit(
                f"{PROJECT}/apphub/logfmt.py",
                "super().format(record).splitlines() or",
                "[super().format(record)] or",
            ),
        ),
    ),
    # Of the user's own file.
    Mutant(
        "28a",
        "a server without the rules",
        (Edit(USERS_CONF, INCLUDE_SERVER, ""),),
        in_file=(INCLUDE_SERVER, ""),
    ),
    Mutant(
        "28b",
        "a configuration without the rules",
        (Edit(USERS_CONF, INCLUDE_HTTP, ""),),
        in_file=(INCLUDE_HTTP, ""),
    ),
    Mutant(
        "28c",
        "another server without the rules",
        (Edit(USERS_CONF, "  server {\n", "  server { listen 8001; }\n  server {\n"),),
        in_http="server { listen 8001; }",
    ),
    Mutant(
        "29",
        "a response before the password",
        (Edit(SERVER, "location / {\n", "location = /health { return 200; }\nlocation / {\n"),),
        in_server="location = /health { return 200; }",
    ),
    Mutant(
        "30",
        "an address in place of the password",
        (Edit(SERVER, "auth_basic $realm;", "auth_basic $realm; allow all; satisfy any;"),),
        in_server="satisfy any;",
    ),
    Mutant(
        "31",
        "a variable that decides who gets in, set again",
        (Edit(SERVER, "location / {\n", "location / {\n  set $realm off;\n"),),
        in_server="set $realm off;",
    ),
    # Of script apps.
    Mutant(
        "32a",
        "a script app for every user",
        (Edit(SERVER, "proxy_pass http://$backend;", "proxy_pass http://app_1;"),),
        in_server="location /own/ { proxy_pass http://app_1; proxy_pass_request_headers off; }",
    ),
    Mutant(
        "32b",
        "a script app for users whose names begin alike",
        (Edit(GATEWAY_APPS, 'f"^{re.escape(user)}$"', 'f"^{re.escape(user)}"'),),
    ),
    Mutant(
        "32c",
        "a user's name as a pattern",
        (Edit(GATEWAY_APPS, "re.escape(user)", "user"),),
    ),
    Mutant(
        "33a",
        "an app's page without a password",
        (Edit(SERVER, "try_files $app_page =404;", "try_files $app_page =404; auth_basic off;"),),
        in_server="location = /page { try_files $app_page =404; auth_basic off; }",
    ),
    Mutant(
        "33b",
        "an app's page at an address of its own",
        (
            Edit(
                SERVER,
                "location = /.app-page {",
                "location = /app_1.html { root config/generated/pages; }\nlocation = /.app-page {",
            ),
        ),
        in_server="location = /app_1.html { root config/generated/pages; }",
    ),
    Mutant(
        "34",
        "apps at addresses that begin like theirs",
        (Edit(GATEWAY_APPS, "(?![^/])", ""),),
    ),
]


def first_failure(folder: Path, tests: list[str]) -> str | None:
    """Run the tests until one fails; return its name, or None where all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = re.search(
        r"^(?:FAILED|ERROR) \S*?(\w+\.py\S*(?: [^-]\S*)*)", process.stdout, re.MULTILINE
    )
    if process.returncode == 0:
        return None
    return found[1] if found else process.stdout[-500:]


def main() -> None:
    """Run the mutants that the command line names, or all of them."""
    numbers = sys.argv[1:]
    survivors = []
    print("| mutant | what fails |\n| --- | --- |", flush=True)
    for mutant in MUTANTS:
        if numbers and mutant.number not in numbers and mutant.number.rstrip("abcd") not in numbers:
            continue
        with tempfile.TemporaryDirectory() as folder:
            left_out = shutil.ignore_patterns(".git", ".venv", ".hypothesis", "__pycache__")
            copy = shutil.copytree(ROOT, Path(folder) / "copy", ignore=left_out)
            for edit in mutant.edits:
                edit.apply(copy)
            failures = (first_failure(copy, suite) for suite in SUITES)
            failure = next(filter(None, failures), None)
        if not failure:
            survivors.append(mutant.number)
        print(f"| {mutant.number}: {mutant.what} | {failure or 'NOTHING'} |", flush=True)
    if survivors:
        sys.exit(f"No test failed for {', '.join(survivors)}.")


if __name__ == "__main__":
    main()
