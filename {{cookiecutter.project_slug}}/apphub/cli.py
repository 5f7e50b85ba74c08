"""The commands of manage.py. No logic: each calls one function, and prints what it has done."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from apphub import VERSION
from apphub.accounts import (
    describe_users,
    list_names,
    remove_user,
    set_password,
    validate_user_name,
)
from apphub.finding import InvalidInput
from apphub.menu import load_menu
from apphub.passwords import generate_password, prompt_password
from apphub.paths import ROOT
from apphub.registry import finish_removal, remove_app
from apphub.users import load_users

if TYPE_CHECKING:
    from pathlib import Path

NOT_INSTALLED = (
    "{} is not installed for {}. Activate the project's environment, as README.md says, and "
    "install what it needs: pip install -r requirements.txt"
)

try:
    import click
except ModuleNotFoundError:
    sys.exit(NOT_INSTALLED.format("click", sys.executable))

NEXT_DEPLOY = "Takes effect on the next deploy: python manage.py deploy"


class Commands(click.Group):
    """The commands in the order of their use, with errors as messages rather than tracebacks."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the commands' names in the order in which they are defined."""
        return list(self.commands)

    def invoke(self, context: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(context)
        except InvalidInput as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            missing = NOT_INSTALLED.format(error.name, sys.executable)
            raise click.ClickException(missing) from error
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{place}{error.strerror or error}") from error


@click.group(cls=Commands)
@click.version_option(VERSION, message="Made by streamlit-heroku %(version)s")
def cli() -> None:
    """Manage the users and apps of this project, check it, run it, deploy it."""


@cli.command()
@click.argument("user", required=False)
@click.option("--generate", is_flag=True, help="Generate a strong password and show it once.")
@click.pass_obj
def passwd(root: Path, user: str | None, generate: bool) -> None:
    """Add USER, or change their password. USER may be omitted where there is only one.

    The password is typed twice, hidden; where AUTH_PASSWORD is set in the environment, it is read
    from there.
    """
    user = user or find_only_user(root)
    validate_user_name(user)
    given = os.environ.get("AUTH_PASSWORD")
    if generate:
        password = generate_password()
    elif given is None:
        password = prompt_password(user)
    else:
        password = given
    is_new = set_password(user, password, root)
    click.echo(f"Added {user} to .htpasswd." if is_new else f"Changed {user}'s password.")
    if generate:
        click.echo(f"The password, shown only once: {password}")
    elif given is not None:
        click.echo("The password is the one in AUTH_PASSWORD.")
    print_next_steps(root)


def find_only_user(root: Path) -> str:
    """Return the only user.

    Raises:
        InvalidInput: there is none, or more than one.
    """
    users = list_names(root)
    if len(users) != 1:
        raise InvalidInput(f"Name the user: python manage.py passwd anna. {describe_users(users)}")
    return users[0]


def print_next_steps(root: Path) -> None:
    """Print when a change of the users takes effect, and what would stop a deploy."""
    from apphub.check import check_access

    click.echo(NEXT_DEPLOY)
    if "HTPASSWD" in os.environ:
        click.echo(
            "HTPASSWD is set and is used instead of .htpasswd: set it to the new text, "
            '"$(cat .htpasswd)"'
        )
    if findings := check_access(root):
        click.echo("\nFix this before you deploy:", err=True)
        click.echo("\n".join(map(str, findings)), err=True)


@cli.command("remove-user")
@click.argument("user")
@click.pass_obj
def remove_user_command(root: Path, user: str) -> None:
    """Remove USER (effective on the next deploy)."""
    remove_user(user, root)
    click.echo(f"Removed {user} from .htpasswd. Their open pages end with the deploy.")
    print_next_steps(root)


@cli.command("users")
@click.pass_obj
def users_command(root: Path) -> None:
    """List the users, and what each may see."""
    menu = load_menu(root)
    users = [user.name for user in load_users(root)]
    width = max(map(len, users))
    for user in users:
        names = [app.name for app in menu if app.is_for(user)]
        visible = "every app" if len(names) == len(menu) else ", ".join(names) or "no app"
        click.echo(f"{user:{width}}  {visible}")


@cli.command("add-app")
@click.argument("name", required=False)
@click.option("--from", "source", help="A script, a folder, or a git URL to copy the app from.")
@click.option("--subdirectory", help="The app's folder in there.")
@click.option("--script", help="The script to start, if its name does not tell.")
@click.option("--yes", is_flag=True, help="Merge its packages without asking.")
@click.pass_obj
def add_app_command(root: Path, /, name: str | None, yes: bool, **options: str | None) -> None:
    """Add an app called NAME: one that exists, or a sample.

    A file or folder of that name in apps/ is added as it is. With --from, a Streamlit project is
    copied unchanged, without its git repository, environment and secrets; NAME may be omitted.
    """
    from apphub.bring.add import Options
    from apphub.bring.command import add_and_show

    if name is None and not options["source"]:
        raise InvalidInput('Name the app: python manage.py add-app "Sales Report"')
    given = {option: value for option, value in options.items() if value}
    add_and_show(root, name or "", yes, Options(**given))


@cli.command("remove-app")
@click.argument("name")
@click.option("--delete", is_flag=True, help="Delete its file, too.")
@click.pass_obj
def remove_app_command(root: Path, name: str, delete: bool) -> None:
    """Remove the app called NAME from the menu. Its file in apps/ stays."""
    app = remove_app(name, root)
    click.echo(f"Removed {app.name} from apps.json.")
    if message := finish_removal(app, delete, root):
        click.echo(message)
    click.echo(NEXT_DEPLOY)


@cli.command("apps")
@click.pass_obj
def apps_command(root: Path) -> None:
    """List the apps: name, address, and who may see each."""
    menu = load_menu(root)
    rows = [
        (
            app.name,
            app.address,
            ", ".join(app.users) or "everybody",
        )
        for app in menu
    ]
    names, addresses = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, address, users in rows:
        click.echo(f"{name:{names}}  {address:{addresses}}  {users}")


@cli.command("check")
@click.pass_obj
def check_command(root: Path) -> None:
    """Check the project for deployment and security problems. Exits with 1 if there are any."""
    from apphub.check import run_checks

    report = run_checks(root)
    click.echo(report.render())
    sys.exit(1 if report.errors else 0)


@cli.command("run")
@click.argument("name", required=False)
@click.option(
    "--port", type=click.IntRange(1024, 65535), default=8501, show_default=True, help="The port."
)
@click.pass_obj
def run_command(root: Path, name: str | None, port: int) -> None:
    """Run all apps locally, without a login; or the app called NAME.

    A saved file counts at once. Scripts run in processes of their own, as on a server.
    """
    from apphub.serve.run import run

    run(name, port, root)


@cli.command("serve")
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    default=8000,
    show_default=True,
    help="The port of nginx.",
)
@click.pass_obj
def serve_command(root: Path, port: int) -> None:
    """Run nginx, the login and Streamlit locally until Ctrl-C.

    Runs the Procfile's command behind nginx and its password. Needs nginx and erb, and says how to
    install them.
    """
    from apphub.check import run_checks
    from apphub.serve import serve

    report = run_checks(root)
    if report.errors:
        raise click.ClickException("\n\n".join(map(str, report.errors)))
    click.echo(report.render())
    serve(port, root)


@cli.command("deploy")
@click.option("--name", help="The name of a new app on Heroku, if not the folder's.")
@click.option("--region", help="The region of a new app: us or eu.")
@click.option("--team", help="The team on Heroku that a new app belongs to.")
@click.option("-m", "--message", help="The commit message of changes.  [default: Deploy]")
@click.option("--yes", is_flag=True, help="Run all steps without asking.")
@click.option("--dry-run", is_flag=True, help="List the steps and their commands; change nothing.")
@click.pass_obj
def deploy_command(root: Path, /, **options: Any) -> None:
    """Deploy the project to Heroku, or what has changed in it.

    Each step is shown, and run when you confirm it. Completed steps are skipped, so after a change,
    a "no" or a failure just run it again.
    """
    from apphub.deploy import deploy

    deploy(**options, root=root)


@cli.command("update")
@click.option("--template", help="The template's path or URL, if not the one it was made from.")
@click.option("--checkout", help="A tag, branch or commit of the template, if not the newest.")
@click.option(
    "--force", is_flag=True, help="Update in spite of uncommitted changes (not with cruft)."
)
@click.pass_obj
def update_command(root: Path, /, **options: Any) -> None:
    """Update to a newer version of the template.

    It replaces apphub/, and the files that you have not edited. cruft does it where the project has
    a .cruft.json, else cookiecutter, with the answers in .cookiecutter.json.
    """
    from apphub.update import update

    if message := update(root, **options):
        click.echo(message)


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: always, with the command's exit status.
    """
    cli(obj=ROOT)
