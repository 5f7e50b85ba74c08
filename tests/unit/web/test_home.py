"""web/home.py: the cards, by section, and the search."""

from __future__ import annotations

import json

import pytest

from apphub.apps import App
from apphub.web.home import MAX_CARDS, SEARCH_FROM, group_by_section, matches


def write_apps(hub, count: int) -> None:
    entries = [{"name": f"App {n}", "module": f"apps.app_{n}"} for n in range(1, count + 1)]
    hub.project.write("apps.json", json.dumps(entries))


def labels(page) -> list[str]:
    """Return the labels of the cards' links."""
    return [link.proto.label for link in page.get("page_link")]


def names(page) -> list[str]:
    return [label.rpartition("] ")[2].strip("*") for label in labels(page)]


def test_card_per_app(hub):
    page = hub.open()
    assert labels(page) == [
        ":primary[:material/web_asset:] **Sales Report**",
        ":primary[:material/web_asset:] **Churn Explorer**",
    ]
    assert [caption.value for caption in page.caption] == ["What it does."] * 2
    assert not page.text_input


def test_card_has_icon_and_description(hub):
    hub.write("costs", "", icon="🧭", description="Cost in $")
    page = hub.open()
    assert labels(page)[2] == ":primary[🧭] **Costs**"
    assert page.caption[2].value == r"Cost in \$"


def test_card_without_a_summary(hub):
    hub.write("costs", "def run():\n    pass\n")
    page = hub.open()
    assert len(labels(page)) == 3
    assert len(page.caption) == 2


def test_nothing_is_interpreted_as_markdown(hub):
    hub.project.write("app.json", json.dumps({"name": "*Data* <b>"}))
    hub.write("costs", "", name="*a* `b`", description="https://example.com", section="[c](d)")
    page = hub.open()
    assert page.title[0].value == r"\*Data\* \<b\>"
    assert labels(page)[2] == r":primary[:material/web_asset:] **\*a\* \`b\`**"
    assert page.subheader[0].value == r"\[c\](d)"
    assert page.caption[2].value == "https\\:\u2060//example.com"


def test_user_is_greeted(hub):
    assert hub.open(user="anna").caption[0].value == "Hello, anna"


def test_sections_are_headings(hub):
    hub.write("a", "", section="Money")
    hub.write("b", "")
    hub.write("c", "", section="People")
    hub.write("d", "", section="Money")
    page = hub.open()
    assert [heading.value for heading in page.subheader] == ["Money", "People"]
    assert names(page) == ["Sales Report", "Churn Explorer", "B", "A", "D", "C"]


def test_sections_keep_the_menus_order():
    sections = {"a": "x", "b": "y", "c": "x", "d": ""}
    apps = [App(name, f"apps.{name}", section=section) for name, section in sections.items()]
    groups = group_by_section(apps)
    names = {section: [app.name for app in group] for section, group in groups.items()}
    assert names == {"x": ["a", "c"], "y": ["b"], "": ["d"]}
    assert list(names) == ["x", "y", ""]


@pytest.mark.parametrize(("count", "shown"), [(SEARCH_FROM, 0), (SEARCH_FROM + 1, 1)])
def test_many_apps_have_a_search_box(hub, count, shown):
    write_apps(hub, count)
    assert len(hub.open().text_input) == shown


def test_search(hub):
    write_apps(hub, 20)
    page = hub.open()
    page.text_input[0].input("APP 2").run()
    assert names(page) == ["App 2", "App 12", "App 20"]
    page.text_input[0].input("nothing").run()
    assert labels(page) == []
    assert page.caption[0].value == "No matching apps."


def test_more_apps_than_cards(hub):
    write_apps(hub, MAX_CARDS + 7)
    page = hub.open()
    assert len(labels(page)) == MAX_CARDS
    assert page.caption[-1].value.startswith("7 more.")
    page.text_input[0].input(str(MAX_CARDS + 7)).run()
    assert len(labels(page)) == 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("sales", True),
        ("SALES  report", True),
        ("report sales", True),
        ("money", True),
        ("we sold", True),
        ("ｓａｌｅｓ", True),
        ("sal", True),
        ("sales churn", False),
        ("users", False),
    ],
)
def test_words_of_name_section_and_summary(words, found):
    app = App("Sales Report", "apps.x", description="What we sold", section="Money")
    assert matches(app, words) == found
