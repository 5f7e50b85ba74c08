"""Users and apps of every shape, for hypothesis and for tests that list cases."""

from __future__ import annotations

import string

from baked import NASTY
from hypothesis import strategies as st

# A bcrypt hash of no password.
SALT_AND_SUM = "./AZaz09" * 6 + "abcde"
HASH = f"$2b$12${SALT_AND_SUM}"

ODD_NAMES = [
    # Words of nginx, among them those that have a meaning inside a map or a geo.
    *["default", "include", "hostnames", "volatile", "ranges", "delete", "proxy", "off", "on"],
    *["host", "localhost", "server", "return", "map", "true", "nobody", "root", "0", "000", "1e5"],
    "www.example.com",
    # Every letter, digit and sign that a name may have.
    f"{string.ascii_lowercase}._@-{string.digits}",
    f"9-@_.{string.ascii_uppercase}-",
    # Each the beginning of the next.
    *("b" * length for length in range(1, 65)),
]
NAMES = st.sampled_from(["anna", "ann", "Anna", "anna.b", *ODD_NAMES]) | st.from_regex(
    r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", fullmatch=True
)
PASSWORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=12, max_size=72).map(
    lambda text: text.encode()[:72].decode(errors="ignore")
)

BCRYPT = st.text(f"./{string.ascii_letters}{string.digits}", min_size=53, max_size=53)
USER_LINES = st.builds(
    "{}:$2{}${}${}".format, NAMES, st.sampled_from("aby"), st.integers(10, 31), BCRYPT
)
LINES_WITHOUT_USER = st.sampled_from(
    ["", " \t", "# Ünal left", "\t#anna:x", "#", "# \udcff \u2028 \r"]
)
ODD_TEXTS = [
    *["", " ", "\t", "\r", "\n", "\0", "\x0b", "\x0c", "\x1c", "\x7f", "\x85", "\xa0", "\u2028"],
    *["\ufeff", "é", "ſ", "٢", "\udcff", ":", "::", "#", "$", "$host", "~.*", "\\", '"', "'", ";"],
]


@st.composite
def damaged_lines(draw: st.DrawFn) -> str:
    """A user's line with something else in one place."""
    line = draw(USER_LINES)
    place = draw(st.integers(0, len(line)) | st.sampled_from([0, len(line)]))
    return line[:place] + draw(st.sampled_from(ODD_TEXTS)) + line[place + draw(st.booleans()) :]


@st.composite
def htpasswd_files(draw: st.DrawFn) -> bytes:
    """A valid .htpasswd, or one with a line that may be wrong, as some editor saved it."""
    by_name = {"unique_by": lambda line: line.partition(":")[0].lower()}
    lines = draw(st.lists(USER_LINES, min_size=1, max_size=4, **by_name))
    again = st.sampled_from(lines).map(lambda line: line[:8].swapcase() + line[8:])
    wrong = damaged_lines() | again
    for line in draw(st.lists(LINES_WITHOUT_USER, max_size=2)) + draw(st.lists(wrong, max_size=1)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r\n", "\n\n", "\r", "\r\r\n"]))
    mark = draw(st.sampled_from(["", "", "", "", "\ufeff"]))
    text = mark + end.join(lines) + draw(st.sampled_from(["", end]))
    return text.encode("utf-8", "surrogateescape")


LINE = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
APP_NAMES = st.text(LINE, min_size=1, max_size=60).map(str.strip).filter(bool) | st.sampled_from(
    ["con", "class", "json", "streamlit", *NASTY.values()]
)
# Names that differ, and give similar identifiers.
SIMILAR_APP_NAMES = st.sampled_from(
    "Café Cafe ｃａｆｅ Cafe\u0301 CAFÉ! ﬁ fi ß ss ſs İ ı i".split()  # noqa: SIM905
)
