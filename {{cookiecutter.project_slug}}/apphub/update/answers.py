"""The answers that the project was made with: .cookiecutter.json.

It has the form of cookiecutter's replay files, so that this does what `manage.py update` does:
cookiecutter -f -o .. --replay-file .cookiecutter.json TEMPLATE
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from apphub.files import write_atomically
from apphub.finding import Finding, InvalidFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = ".cookiecutter.json"
# In a URL: a token may be in place of the user's name, too. `git@` for ssh is neither.
CREDENTIALS = re.compile(r"^((?:\w+\+)?https?://)[^/]*@|^([\w+.-]+://)[^/]*:[^/]*@", re.IGNORECASE)


class Answers(NamedTuple):
    """What .cookiecutter.json says.

    Attributes:
        values: the answers, by the name of their question.
        template: where the template is: a path, a URL, or an abbreviation like gh:org/name.
        version: the template's version.
    """

    values: Mapping[str, Any]
    template: str
    version: str


def read_answers(root: Path) -> Answers:
    """Read .cookiecutter.json.

    Raises:
        InvalidFile: it is missing, or not valid.
    """
    try:
        content = json.loads((root / NAME).read_text("utf-8"))
        answers = Answers(content["cookiecutter"], content["template"], content["version"])
        if isinstance(answers.values, dict) and isinstance(answers.template, str):
            return answers
        code, text = "answers-invalid", "it does not contain answers and a template."
    except FileNotFoundError:
        code, text = "answers-missing", "the file is missing."
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        code, text = "answers-invalid", f"cannot be read: {error}."
    hint = "Update once by hand, one folder up: cookiecutter -f TEMPLATE"
    raise InvalidFile([Finding(code, text, NAME, hint)])


def write_answers(context: Mapping[str, Any], folder: Path, start: Path) -> None:
    """Write .cookiecutter.json.

    Args:
        context: cookiecutter's variables. Those that begin with _ are not answers.
        folder: where the file is written.
        start: the folder that a relative path of the template starts from.
    """
    values = {name: value for name, value in context.items() if not name.startswith("_")}
    # An update finds .htpasswd, and where there is none, nobody may be there to type a password.
    values["password_source"] = "generate"  # noqa: S105
    content = {
        "cookiecutter": values,
        "template": _describe_template(str(context.get("_template", "")), start),
        "version": context.get("_version", ""),
    }
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
    write_atomically(folder / NAME, f"{text}\n")


def _describe_template(template: str, start: Path) -> str:
    """Return a path as an absolute one, and a URL without the name and password in it."""
    if template and (start / template).exists():
        return str((start / template).resolve())
    return CREDENTIALS.sub(r"\1\2", template)
