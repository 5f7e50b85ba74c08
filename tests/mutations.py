"""Puts each known mistake into the door, one at a time, and shows that the suite notices.

    .venv/bin/python tests/mutations.py [NUMBER ...]

The mistakes are those with which doors of this kind were found open or broken. Each goes into a
copy of the template; the suites run on the copy until one test fails. Prints which test that
was. Ends with status 1 where no test failed. Takes half an hour.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "{{cookiecutter.project_slug}}"
NGINX = f"{PROJECT}/_hook/config/nginx.conf.erb"
# From outside, by reading the configuration, and what neither can see.
SUITES = [
    ["tests/deployment/test_door.py"],
    ["tests/deployment/test_lint.py"],
    ["tests/deployment/test_users.py", "tests/deployment/test_shut.py"],
    ["tests/deployment/test_log.py"],
    ["tests/deployment/test_browser.py"],
]


@dataclass(frozen=True)
class Mistake:
    """A mistake: its number, what it is, and how it gets into a file."""

    number: str
    what: str
    change: Callable[[str], str]
    file: str = NGINX


def swap(*pairs: str) -> Callable[[str], str]:
    """Return a change that puts the second text for the first, the fourth for the third ..."""

    def change(text: str) -> str:
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            if old not in text:
                raise LookupError(f"The mistake does not fit any more: {old!r} is not there")
            text = text.replace(old, new)
        return text

    return change


LIMITS = (
    "    limit_req zone=guesses_of_one burst=40;\n",
    "    limit_req zone=guesses_of_all burst=200;\n    limit_req zone=checks_of_all burst=50;\n",
)
SERVER_HEADERS = "    <%= lines(headers, 4) %>\n"

MISTAKES = [
    Mistake(
        "1",
        "two values joined without a separator",
        swap(
            '"$session_user:$remote_user" $new_session',
            '"$session_user$remote_user" $new_session',
            '(":#{user}" "#{session}";)',
            '("#{user}" "#{session}";)',
        ),
    ),
    Mistake(
        "2a",
        "the cookie set for the whole server",
        swap(SERVER_HEADERS, f"    add_header Set-Cookie $session_cookie;\n{SERVER_HEADERS}"),
    ),
    Mistake(
        "2b",
        "the cookie set on errors, too",
        swap("Set-Cookie $session_cookie;", "Set-Cookie $session_cookie always;"),
    ),
    Mistake("3", "the user as the client wrote it", swap("-User $user;", "-User $remote_user;")),
    Mistake(
        "4",
        "no file of passwords",
        swap("    auth_basic_user_file <%= quoted(user_file) %>;\n", ""),
    ),
    Mistake("5a", "any name for a user", swap("[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", "[^:]+")),
    Mistake("5b", "names apart by capitals alone", swap("taken[user.downcase]", "taken[user]")),
    Mistake(
        "6",
        "whatever upgrade a client wants",
        swap(
            "Upgrade $passed_upgrade;",
            "Upgrade $http_upgrade;",
            "Connection $passed_connection;",
            "Connection $http_connection;",
        ),
    ),
    Mistake(
        "7",
        "forged addresses passed on",
        swap("-For $remote_addr;", "-For $proxy_add_x_forwarded_for;"),
    ),
    Mistake("8", "passwords in the error log", swap("error.log alert;", "error.log info;")),
    Mistake(
        "9",
        "a location that forgets the server's headers",
        swap("      <%= lines(headers, 6) %>\n", ""),
    ),
    Mistake(
        "10",
        "an alias without its slash",
        swap(
            "    location / {\n",
            '    location /static { alias <%= File.expand_path("apps") %>/; }\n    location / {\n',
        ),
    ),
    Mistake(
        "11",
        "hash buckets too small for sessions",
        swap("map_hash_bucket_size 256;", "map_hash_bucket_size 64;"),
    ),
    Mistake(
        "12a",
        "the cookie by a variable that cannot name it",
        swap("map $http_cookie $session {", "map $cookie___Host_session $session {"),
    ),
    Mistake(
        "12b",
        "a capture that leaves its line",
        swap("([0-9a-f]{64})", "(?<kept>[0-9a-f]{64})", "map $session $s", "map $kept $s"),
    ),
    Mistake("13a", "sessions count as guesses", swap('"~^:." guess;', '"~:." guess;')),
    Mistake("13b", "one limit for everybody", swap(LIMITS[0], "")),
    Mistake("13c", "a limit for each address alone", swap(LIMITS[1], "")),
    Mistake("14", "no limit to what timing tells", swap(LIMITS[0], "", LIMITS[1], "")),
    Mistake(
        "15a",
        "any hash at the boot",
        swap(r"\$2[aby]\$(?:1\d|2\d|3[01])\$[.\/A-Za-z0-9]{53}", ".+"),
    ),
    Mistake(
        "15b", "any cost at the build", swap("([12][0-9]|3[01])", "[0-9]{2}"), f"{PROJECT}/users.py"
    ),
    Mistake("15c", "a low cost", swap("COST = 12", "COST = 5"), f"{PROJECT}/manage.py"),
    Mistake("16", "bcrypt on each request", swap('    "~." off;\n', "")),
    Mistake(
        "17",
        "connections that outlive uvicorn's",
        swap("    keepalive_timeout 30s;", "    keepalive_timeout 90s;"),
    ),
    Mistake("18", "redirects that name the inner port", swap("    absolute_redirect off;\n", "")),
    Mistake(
        "19a",
        "the client's headers passed on",
        swap("      proxy_pass_request_headers off;\n", ""),
    ),
    Mistake(
        "19b",
        "the password passed on",
        swap(
            "      proxy_set_header Cookie $passed_cookie;\n",
            "      proxy_set_header Cookie $http_cookie;\n"
            "      proxy_set_header Authorization $http_authorization;\n",
        ),
    ),
    # Not among the nineteen, and no better.
    Mistake("20", "WebSockets of any site", swap("      rewrite ^ /.refused/403 last;\n", "")),
    Mistake("21", "a session that can be guessed", swap("SecureRandom.hex(32)", '"secret" * 9')),
    Mistake(
        "22",
        "a session that outlives its password",
        swap('"SHA256", secret, cookie + line)', '"SHA256", secret, cookie + line[/[^:]+/])'),
    ),
    Mistake("23", "pages that a browser keeps", swap('"private, no-store"', '"private"')),
    Mistake(
        "24",
        "apps shown to nobody in particular",
        swap('user is None and "DYNO" in os.environ', "False"),
        f"{PROJECT}/launcher.py",
    ),
    Mistake(
        "25",
        "apps shown to everybody",
        swap("or user in self.users", "or user is not None"),
        f"{PROJECT}/menu.py",
    ),
    Mistake(
        "26a",
        "the bundle without a password",
        swap("      gzip_static on;\n", "      gzip_static on;\n      auth_basic off;\n"),
    ),
    Mistake("26b", "refusals that a browser keeps", swap("(?:200|206|304):/", "[0-9]+:/")),
    Mistake("27a", "whoever was refused in the log", swap("user=$known_user", "user=$user")),
    Mistake("27b", "paths in the log as they are", swap('path="$asked_path"', "path=$uri")),
    Mistake("27c", "query strings in the log", swap("[^?#\\s]", "[^\\s]")),
    Mistake(
        "27d",
        "lines of a user's in the log",
        swap("super().format(record).splitlines()", "[super().format(record)]"),
        f"{PROJECT}/log.py",
    ),
]


def first_failure(folder: Path, tests: list[str]) -> str | None:
    """Run the tests until one fails; return its name, or None where all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = re.search(
        r"^(?:FAILED|ERROR) \S*?(\w+\.py\S*(?: [^-]\S*)*)", ended.stdout, re.MULTILINE
    )
    if ended.returncode == 0:
        return None
    return found[1] if found else ended.stdout[-500:]


def main() -> None:
    wanted = sys.argv[1:]
    missed = []
    print("| mistake | what fails |\n| --- | --- |", flush=True)
    for mistake in MISTAKES:
        if wanted and mistake.number not in wanted and mistake.number.rstrip("abc") not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            left_out = shutil.ignore_patterns(".git", ".venv", ".hypothesis", "__pycache__")
            copy = shutil.copytree(ROOT, Path(folder) / "copy", ignore=left_out)
            file = copy / mistake.file
            file.write_text(mistake.change(file.read_text("utf-8")), "utf-8")
            failures = (first_failure(copy, suite) for suite in SUITES)
            failure = next(filter(None, failures), None)
        if not failure:
            missed.append(mistake.number)
        print(f"| {mistake.number}: {mistake.what} | {failure or 'NOTHING'} |", flush=True)
    if missed:
        sys.exit(f"Nobody noticed {', '.join(missed)}.")


if __name__ == "__main__":
    main()
