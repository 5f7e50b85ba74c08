"""Text that people write, checked and made safe to show."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKDOWN = re.compile(r"[\\`*_\[\]<>~$:]|&(?=#?\w+;)")
LINK = re.compile(r"(?<=www)(?=\.)|(?<=:)(?=//)|(?=@[-\w])", re.IGNORECASE)

# https://devcenter.heroku.com/articles/creating-apps#creating-a-named-app
HEROKU_NAME = r"[a-z][a-z0-9-]{1,28}[a-z0-9]"
HEROKU_NAME_RULE = (
    "3 to 30 lower-case letters, digits and dashes, the first a letter, the last not a dash"
)


def validate_line(text: object, max_length: int) -> None:
    """Check that a name or a description is one line of visible characters.

    Args:
        text: what was given.
        max_length: the most characters it may have.

    Raises:
        ValueError: it breaks the rule. The text follows the name: "is empty".
    """
    if not isinstance(text, str):
        raise ValueError("is not text")
    if not text or text != text.strip():
        raise ValueError("is empty, or begins or ends with a blank")
    if len(text) > max_length:
        raise ValueError(f"is longer than {max_length} characters")
    # Control characters, lone surrogates and line breaks; a joiner inside an emoji is allowed.
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise ValueError("contains a control character or a line break")


def validate_heroku_name(name: object) -> None:
    """Check a name of an app on Heroku.

    Raises:
        ValueError: it breaks Heroku's rule. The text follows the name.
    """
    if not isinstance(name, str) or not re.fullmatch(HEROKU_NAME, name):
        raise ValueError(f"is not a valid Heroku app name: it must be {HEROKU_NAME_RULE}")


def name_key(name: str) -> str:
    """Return a key that is equal for names that people would confuse, such as "a" and "A"."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def escape_markdown(text: str) -> str:
    """Return Markdown that shows the text as it is: "Cost in $" is not a formula."""
    # What looks like a link becomes one, escaped or not, unless an invisible character is in it.
    return MARKDOWN.sub(r"\\\g<0>", LINK.sub("\u2060", text))


def replace_surrogates(text: str) -> str:
    """Return the text without half characters, which JSON may have ("\\ud800") but not UTF-8."""
    return text.encode(errors="replace").decode()


def summarize(names: Sequence[str], shown: int = 3) -> str:
    """Return the first names, and how many more there are: "a, b, c and 4 more"."""
    first = [*names[:shown], *([f"{len(names) - shown} more"] if len(names) > shown else [])]
    return " and ".join(filter(None, [", ".join(first[:-1]), *first[-1:]]))
