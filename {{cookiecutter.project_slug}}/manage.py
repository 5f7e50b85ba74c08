"""The commands of day two: users, apps, check, deploy. `python manage.py` alone lists them.

The template's hook calls the same functions when it makes the project.
"""

from __future__ import annotations

import getpass
import json
import keyword
import os
import re
import secrets
import sys
import tempfile
import unicodedata
from pathlib import Path

from menu import (
    LONGEST_NAME,
    ROOT,
    App,
    MenuError,
    load_menu,
    name_fault,
    plain,
    read_entries,
    same_name,
)
from users import NO_USER, USER_RULE, UsersError, is_user, load_users, split_lines

NOT_INSTALLED = (
    "{} is not installed for {}. Make the project's environment active, as "
    "README.md says, and install what it needs: pip install -r requirements.txt"
)

try:
    import click
except ModuleNotFoundError:
    sys.exit(NOT_INSTALLED.format("click", sys.executable))

TEMPLATE_VERSION = "2026.11.1"  # of the template that wrote this file
STARTER = ROOT / "config" / "new_app.py"  # every new app begins as a copy of it

# bcrypt takes 72 bytes at most. Cost 12 is 180 ms for us and for whoever guesses.
PASSWORD_RULE = "12 to 72 bytes of UTF-8 without control characters"
COST = 12

# 32 characters that nobody takes for one another: 5 bits each.
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"

NEXT_DEPLOY = "the next deploy on: python manage.py deploy"

# Windows keeps these for devices, whatever comes after the dot.
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}


class Refused(click.ClickException):
    """What was asked for breaks a rule: the text names the thing, the rule and the way out."""


def check_user(user: str) -> None:
    """Raise Refused unless the user name keeps its rule."""
    if not is_user(user):
        raise Refused(f"The user name {user!r} breaks the rule: {USER_RULE}. Example: anna.b")


def check_password(password: str) -> None:
    """Raise Refused unless the password keeps its rule. What was given is never shown."""
    size = len(password.encode(errors="replace"))
    if not 12 <= size <= 72 or any(unicodedata.category(c) in {"Cc", "Cs"} for c in password):
        raise Refused(f"That password breaks the rule: {PASSWORD_RULE}. Four random words will do.")


def generate_password() -> str:
    """Return a new password of 120 random bits: six groups of four characters."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(6))


def ask_password(user: str) -> str:
    """Return a password typed twice on the terminal, hidden. Three tries.

    Raises:
        Refused: there is no terminal, or no try succeeded.
    """
    if not sys.stdin.isatty():
        raise Refused(
            "A password is typed on a terminal only, and there is none here. Set AUTH_PASSWORD "
            "in the environment, or have one generated: --generate"
        )
    for _ in range(3):
        try:
            password = getpass.getpass(f"Password for {user} (12 characters or more, hidden): ")
            check_password(password)
            if getpass.getpass("The same once more: ") == password:
                return password
        except EOFError:
            break  # Ctrl-D
        except Refused as refused:
            click.echo(refused.message, err=True)
            continue
        click.echo("The two differ. Type the same one twice.", err=True)
    raise Refused("No password was typed in three tries. Run it again when you have one at hand.")


def set_password(user: str, password: str, root: Path = ROOT) -> bool:
    """Write the user's line in .htpasswd: a new user, or a new password for one who is there.

    The file is replaced in one step, and only its owner may read it (mode 0600).

    Returns:
        Whether the user is new.

    Raises:
        Refused: the name or the password breaks its rule, there is a user whose name differs
            in capitals alone, or .htpasswd cannot be read.
    """
    import bcrypt  # add-app does without it

    check_user(user)
    check_password(password)
    lines = user_lines(root)
    users = [line.partition(":")[0] for line in lines]
    for other in users:
        if other != user and other.lower() == user.lower():
            raise Refused(
                f"There is a user {other!r} already, and {user!r} differs in capitals alone. "
                f"Take another name, or give that user a new password: manage.py passwd {other}"
            )
    digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode("ascii")
    # nginx takes a user's first line; a second one would be a password nobody knows of.
    place = users.index(user) if user in users else len(lines)
    lines = [line for line, other in zip(lines, users, strict=True) if other != user]
    lines.insert(place, f"{user}:{digest}")
    write_users(lines, root)
    return user not in users


def remove_user(user: str, root: Path = ROOT) -> None:
    """Take a user's line out of .htpasswd.

    Raises:
        Refused: there is no such user, or no other one, or .htpasswd cannot be read.
    """
    lines = user_lines(root)
    users = names_in(lines)
    if user not in users:
        raise Refused(f"There is no user {user!r} in .htpasswd. {who_is_there(users)}")
    if set(users) == {user}:
        raise Refused(
            f"{user} is the only user: without one nobody could log in, and a deploy would be "
            "refused. Add another first: python manage.py passwd anna"
        )
    write_users([line for line in lines if line.partition(":")[0] != user], root)


def user_lines(root: Path) -> list[str]:
    """Return the lines of .htpasswd as they stand there; none where there is no file.

    Raises:
        Refused: .htpasswd cannot be read.
    """
    path = root / ".htpasswd"
    try:
        text = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
    except UnicodeDecodeError:
        raise Refused(".htpasswd is not UTF-8 text. Save it as UTF-8, or write it anew.") from None
    except OSError as error:
        raise Refused(f".htpasswd cannot be read: {error.strerror}.") from None
    return split_lines(text.rstrip("\r\n")) if text.strip() else []


def names_in(lines: list[str]) -> list[str]:
    """Return the users whose lines these are."""
    return [line.partition(":")[0] for line in lines if not NO_USER.fullmatch(line)]


def who_is_there(users: list[str]) -> str:
    """Return a sentence that names the users."""
    return f"There are: {', '.join(users)}." if users else "There is none yet."


def write_users(lines: list[str], root: Path) -> None:
    """Write .htpasswd, which only its owner may read."""
    replace(root / ".htpasswd", "".join(f"{line}\n" for line in lines), mode=0o600)


def add_app(name: str, root: Path = ROOT) -> App:
    """Write a new module in apps/ and its entry at the end of apps.json.

    Raises:
        Refused: the name breaks its rule, or is in the menu already.
        MenuError: apps.json is broken.
    """
    if fault := name_fault(name):
        raise Refused(
            f"The app's name {name!r} {fault}. The rule: 1 to {LONGEST_NAME} characters on one "
            "line. Example: Sales Report"
        )
    entries = read_entries(root) if (root / "apps.json").exists() else []
    menu = load_menu(root) if entries else []
    if same_name(name) in (same_name(app.name) for app in menu):
        raise Refused(f"{name!r} is in apps.json already. Every app has a name of its own.")

    taken = {app.url_path for app in menu}
    taken |= {path.stem.lower() for path in (root / "apps").glob("*")}
    app = App(name, f"apps.{free_name(module_name(name), taken)}")
    module = root / "apps" / f"{app.url_path}.py"
    title = python_string(plain(name))
    replace(module, STARTER.read_text("utf-8").replace('"New app"', title))
    try:
        write_entries([*entries, {"name": app.name, "module": app.module}], root)
    except BaseException:
        module.unlink()
        raise
    return app


def remove_app(name: str, root: Path = ROOT) -> App:
    """Take an app's entry out of apps.json; its module stays.

    Args:
        name: the app's name, its address or its module: "Café Sales", "cafe_sales" or
            "apps.cafe_sales".

    Raises:
        Refused: there is no such app, or no other one.
        MenuError: apps.json is broken.
    """
    menu = load_menu(root)
    names = {same_name(app.name): app for app in menu}
    names |= {other: app for app in menu for other in (app.url_path, app.module)}
    app = names.get(same_name(name)) or names.get(name.strip("/"))
    if not app:
        there = ", ".join(app.name for app in menu)
        raise Refused(f"No app in apps.json is called {name!r}. There are: {there}.")
    if len(menu) == 1:
        raise Refused(
            f"{app.name} is the only app, and a menu has one at least. Add another first: "
            'python manage.py add-app "Sales Report"'
        )
    write_entries([each for each in read_entries(root) if each["module"] != app.module], root)
    return app


def write_entries(entries: list[dict], root: Path) -> None:
    """Write apps.json, a line an entry."""
    text = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
    replace(root / "apps.json", f"[\n{text}\n]\n")


def module_name(name: str) -> str:
    """Return a readable Python identifier for an app's name: "Café 2024" -> "cafe_2024".

    Latin letters lose their accents; other scripts stay as they are ("売上"), as Python's
    identifiers may (https://docs.python.org/3/reference/lexical_analysis.html#identifiers).
    """

    def letter(character: str) -> str:
        base = unicodedata.normalize("NFKD", character)[0]
        if base.isascii() and base.isalnum():
            return base
        # Letters, and the marks that Hindi or Thai cannot do without.
        return character if character != "_" and f"a{character}".isidentifier() else " "

    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    word = "_".join("".join(map(letter, folded)).split())
    word = word.encode()[:200].decode(errors="ignore")  # as long as a file's name may be, and less
    if not word:
        return "app"  # a name of emoji or signs alone
    if keyword.iskeyword(word) or word in DEVICES or word in packages():
        return f"{word}_app"
    return word if word.isidentifier() else f"app_{word}"


def packages() -> set[str]:
    """Return the modules that an app of the same name would hide when it is run alone."""
    requirements = ROOT / "requirements.txt"
    pins = requirements.read_text("utf-8") if requirements.exists() else ""
    return {*sys.stdlib_module_names, *re.findall(r"^[\w-]+", pins.replace("-", "_"), re.MULTILINE)}


def free_name(name: str, taken: set[str]) -> str:
    """Return the name, or the first of name_2, name_3 ... that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def python_string(text: str) -> str:
    """Return a Python literal of the text, in the quotes that ruff's formatter prefers."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a text file in one step: whoever reads it sees the old text or the new one."""
    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class Commands(click.Group):
    """The commands in the order of their use, with faults as messages rather than tracebacks."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (MenuError, UsersError) as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            missing = NOT_INSTALLED.format(error.name, sys.executable)
            raise click.ClickException(missing) from error
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{place}{error.strerror}. Mend that first.") from error


@click.group(cls=Commands)
@click.version_option(TEMPLATE_VERSION, message="Made by streamlit-heroku %(version)s")
def cli() -> None:
    """Look after the apps and the users of this project."""


@cli.command()
@click.argument("user", required=False)
@click.option("--generate", is_flag=True, help="Make a strong password and show it once.")
def passwd(user: str | None, generate: bool) -> None:
    """Add USER, or change their password. Where there is one user alone, it is theirs.

    The password is typed twice, hidden; where AUTH_PASSWORD is set in the environment, it is
    taken from there.
    """
    user = user or only_user()
    check_user(user)
    given = os.environ.get("AUTH_PASSWORD")
    if generate:
        password = generate_password()
    elif given is None:
        password = ask_password(user)
    else:
        password = given
    new = set_password(user, password)
    click.echo(f"Added {user} to .htpasswd." if new else f"Changed {user}'s line in .htpasswd.")
    if generate:
        click.echo(f"The password, shown this once: {password}")
    elif given is not None:
        click.echo("The password is the one in AUTH_PASSWORD.")
    tell_what_is_next()


def only_user() -> str:
    """Return the only user there is.

    Raises:
        Refused: there is none, or more than one.
    """
    users = names_in(user_lines(ROOT))
    if len(users) != 1:
        raise Refused(
            f"Whose password? Name the user: python manage.py passwd anna. {who_is_there(users)}"
        )
    return users[0]


def tell_what_is_next() -> None:
    """Say when a change of the users holds, and what stands in its way."""
    from check import door

    click.echo(f"It holds from {NEXT_DEPLOY}")
    if "HTPASSWD" in os.environ:
        click.echo(
            'HTPASSWD is set and counts in its place: give it the new text, "$(cat .htpasswd)"'
        )
    if found := door():
        click.echo("\nA deploy will be refused until this is mended:", err=True)
        click.echo("\n".join(found), err=True)


@cli.command("remove-user")
@click.argument("user")
def remove_user_command(user: str) -> None:
    """Take USER out: from the next deploy on they cannot log in."""
    remove_user(user)
    click.echo(f"Removed {user} from .htpasswd. An open page of theirs ends with the deploy.")
    tell_what_is_next()


@cli.command("users")
def users_command() -> None:
    """List the users, and what each may see."""
    menu = load_menu()
    users = load_users()
    width = max(map(len, users))
    for user in users:
        names = [app.name for app in menu if app.is_for(user)]
        seen = "every app" if len(names) == len(menu) else ", ".join(names) or "no app"
        click.echo(f"{user:{width}}  {seen}")


@cli.command("add-app")
@click.argument("name")
def add_app_command(name: str) -> None:
    """Add an app called NAME, with a module to start from."""
    app = add_app(name)
    click.echo(f"Wrote apps/{app.url_path}.py and added {app.name} to apps.json.")
    click.echo(f"Its address is /{app.url_path}. See it: streamlit run app.py")
    click.echo(f"It is online from {NEXT_DEPLOY}")


@cli.command("remove-app")
@click.argument("name")
@click.option("--delete", is_flag=True, help="Delete its module, too.")
def remove_app_command(name: str, delete: bool) -> None:
    """Take the app called NAME out of the menu. Its module in apps/ stays."""
    app = remove_app(name)
    click.echo(f"Removed {app.name} from apps.json.")
    try:
        path = app.find()
    except MenuError:
        pass  # it was not there before either
    else:
        there = path.relative_to(ROOT).as_posix()
        if not delete:
            click.echo(f"{there} is still there: delete it, or put the entry back.")
        elif path.name == "__init__.py":
            click.echo(
                f"{path.parent.relative_to(ROOT).as_posix()}/ is a folder: look, and delete it."
            )
        else:
            path.unlink()
            click.echo(f"Deleted {there}.")
    click.echo(f"It is gone from {NEXT_DEPLOY}")


@cli.command("apps")
def apps_command() -> None:
    """List the apps: name, address, and who may see each."""
    menu = load_menu()
    rows = [(app.name, f"/{app.url_path}", ", ".join(app.users) or "everybody") for app in menu]
    names, addresses = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, address, users in rows:
        click.echo(f"{name:{names}}  {address:{addresses}}  {users}")


@cli.command("check")
def check_command() -> None:
    """Name whatever would break a deploy or let somebody in. The exit status is 1 if there is any."""
    from check import look

    found = look()
    number = len(found.faults)
    things = "1 thing" if number == 1 else f"{number} things"
    verdict = f"{things} to mend." if number else f"In order: {', '.join(found.in_order)}."
    click.echo("\n\n".join([*found.faults, *found.notes, verdict]))
    sys.exit(1 if number else 0)


@cli.command("serve")
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    default=8000,
    show_default=True,
    help="Where nginx listens.",
)
def serve_command(port: int) -> None:
    """Run the whole dyno on this computer, until Ctrl-C.

    That is what the Procfile says, behind nginx and its password. It wants nginx and erb, and says
    how to get them.
    """
    from check import look
    from serve import serve

    found = look()
    if found.faults:
        raise click.ClickException("\n\n".join(found.faults))
    click.echo(f"In order: {', '.join(found.in_order)}.")
    serve(port)


@cli.command("deploy")
@click.option("--name", help="What a new app is called on Heroku, if not like the folder.")
@click.option("--region", help="Where a new app runs: us or eu.")
@click.option("--team", help="The team on Heroku that a new app belongs to.")
@click.option(
    "-m", "--message", default="Deploy", show_default=True, help="What git notes beside a change."
)
@click.option("--yes", is_flag=True, help="Take all steps without asking.")
@click.option("--dry-run", is_flag=True, help="List the steps and their commands; change nothing.")
def deploy_command(**options) -> None:
    """Put the project online on Heroku, or what has changed in it.

    Each step is shown and asked for before it is taken. What is done already is passed by, so
    after a change, a "no" or a failure just run it again.
    """
    from deploy import deploy

    deploy(**options)


if __name__ == "__main__":
    cli()
