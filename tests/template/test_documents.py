"""The documents: their length, their links, and the figures that were measured."""

from __future__ import annotations

import json
import re
from functools import cache
from statistics import median
from typing import TYPE_CHECKING

import pytest
from baked import ROOT, BakedProject

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = "{{cookiecutter.project_slug}}"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    ROOT / PROJECT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / PROJECT / "docs").glob("*.md")),
]
DECISIONS = ROOT / "docs/decisions"


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def flat(name: str) -> str:
    """Return a document's text on one line."""
    return " ".join(read(name).split())


def measured(name: str) -> dict:
    """Return what a benchmark has written."""
    return json.loads(read(f"benchmarks/{name}.json"))


@pytest.fixture
def benchmarks(monkeypatch) -> None:
    """Make the benchmarks importable."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@pytest.mark.parametrize(
    ("name", "most"),
    [("README.md", 130), (f"{PROJECT}/README.md", 150), ("CONTRIBUTING.md", 100)],
)
def test_it_is_short(name, most):
    assert len(read(name).splitlines()) <= most


@cache
def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives a document's headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_it_links_to_exists(path):
    text = path.read_text("utf-8")
    for target in re.findall(r"(?:\]\(|src(?:set)?=\")(?!https?:)([^)\"]+)", text):
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_paths_that_it_names_exist(path):
    if path.name == "CHANGELOG.md":  # it names what there was
        return
    folders = "apphub|benchmarks|bin|config|docs|hooks|tests|\\.ci|\\.github"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", path.read_text("utf-8")):
        if name.startswith(("bin/", "config/", "apphub/RECORD")):  # some are written later
            continue
        places = (ROOT, ROOT / PROJECT, ROOT / PROJECT / "_hook")
        assert any((place / name).exists() for place in places), name


def decision_row(path: Path) -> str:
    text = path.read_text("utf-8")
    date = re.search(r"^date: (20\d\d-\d\d-\d\d)$", text, re.MULTILINE)[1]
    title = re.search(r"^# (.*)$", text, re.MULTILINE)[1]
    return f"| [{path.name[:4]}]({path.name}) | {title} | {date} |"


def test_the_index_of_decisions_has_all_of_them():
    files = sorted(DECISIONS.glob("[0-9]*.md"))
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    rows = re.findall(r"^\| \[.*$", (DECISIONS / "README.md").read_text("utf-8"), re.MULTILINE)
    assert rows == [decision_row(file) for file in files]


@pytest.mark.parametrize("path", sorted(DECISIONS.glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_a_decision_has_the_form_of_madr(path):
    text = path.read_text("utf-8")
    assert re.match(r"---\nstatus: (accepted|\"superseded by .*\")\ndate: ", text)
    assert re.findall(r"^##+ (.*)$", text, re.MULTILINE) == [
        "Context and problem statement",
        "Considered options",
        "Decision outcome",
        "Consequences",
    ]


def test_the_architecture_lists_every_module_of_apphub():
    section = read("docs/architecture.md").partition("## The package `apphub`")[2]
    rows = re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    names = sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row))
    folder = ROOT / PROJECT / "apphub"
    modules = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    packages = [f"{path.name}/" for path in folder.iterdir() if path.is_dir()]
    assert names == sorted([*modules, *packages])


# -- Figures --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("benchmarks")
def test_the_table_is_the_one_that_was_measured():
    import compare

    result = measured("compare")
    table = compare.PLACE.search(compare.DOCUMENT.read_text("utf-8"))[0]
    assert table.splitlines()[1:-1] == compare.table(result).splitlines()
    assert all(figure["passed"] for figure in result["figures"])
    assert len(result["figures"]) >= 14


@pytest.mark.usefixtures("benchmarks")
def test_the_table_about_scripts_is_the_one_that_was_measured():
    import compare
    import script_apps

    result = measured("script_apps")
    table = script_apps.PLACE.search(compare.DOCUMENT.read_text("utf-8"))[0]
    assert table.splitlines()[1:-1] == script_apps.table(result).splitlines()
    # On two cores, whatever computes takes a half of them, also outside the hub.
    for figure in result["figures"]:
        median = figure["median"]
        assert figure["passed"] or median["ours"] <= 1.1 * median["busy"], figure["name"]


@pytest.mark.usefixtures("benchmarks")
def test_the_readmes_figures_are_from_the_table():
    import compare

    def median_of(name: str, target: str) -> str:
        [figure] = [figure for figure in measured("compare")["figures"] if figure["name"] == name]
        return compare.format_amount(figure["median"][target], figure["unit"])

    first = "first visit at 1.6 Mbit/s and 150 ms, until the first element is rendered"
    click, small = "rerun, text and ten widgets, p50", "kept-alive small request, p50"
    text = flat("README.md")
    for name, before in ((first, "takes"), (click, "widgets"), (small, "request")):
        figures = f"{median_of(name, 'ours')} instead of {median_of(name, 'bare')}"
        assert f" {before} {figures}" in text


@pytest.mark.usefixtures("benchmarks")
def test_the_costs_were_measured():
    import memory

    result = measured("memory")
    text, first, _ = (figures["1"] for figures in result["figures"].values())
    name = f"{PROJECT}/docs/cost.md"
    assert f"use {text['MB']:.0f} MB with an app of text and widgets open" in flat(name)
    assert f"and {first['MB']:.0f} MB with the app that you start from" in flat(name)
    additional = max(text["MB per session"], first["MB per session"])
    assert f"Each additional session uses {additional:.1f} MB." in flat(name)
    assert "\n".join(memory.table(result)) in read(name)
    # The dyno with as many sessions as the table says was full, and not too full.
    assert 0.9 < result["full"]["MB in total"] / (512 * 1.048576) < 1.02
    one, two = measured("scaling")["reruns per second"].values()
    times = f"runs {median(one):.0f} times a second, for all sessions together, and"
    assert f"{times} {median(two):.0f} times" in flat(name)


def test_the_figures_of_a_long_run_were_measured():
    text = flat("docs/scaling.md")
    soak, scaling = measured("soak"), measured("scaling")
    before, after = soak["before"], soak["after"]
    assert soak["failures"] == 0
    assert f"Twenty minutes of {soak['visits']:,} visits with {soak['runs']:,} runs" in text
    assert f"and {soak['uploads']} uploads, half of them disconnected abruptly: none failed" in text
    assert (before["files"], before["sockets"]) == (after["files"], after["sockets"])
    numbers = f"{after['files']}, {after['sockets']}, and {after['MB']:.0f} MB"
    assert f"{numbers} after {before['MB']:.0f}" in text
    assert f"an app that computes {scaling['ratio']:.2f} times as often as one" in text


def test_the_figures_of_an_attack_were_measured():
    kinds = measured("brute_force")["milliseconds"].values()
    figures = [kind["kept connection"]["p95"] for kind in kinds]
    assert " {:.1f}, {:.1f} and {:.1f} ms".format(*figures) in flat("docs/performance.md")


# -- The generated project's ----------------------------------------------------------------------


def test_the_deploy_by_hand_is_what_app_json_says(baked_project: BakedProject):
    text = baked_project.read("docs/deploy.md")
    commands = re.search(r"```sh\n(heroku login\n.*?)```", text, re.DOTALL)[1]
    assert f"heroku create {baked_project.path.name} " in commands
    manifest = json.loads(baked_project.read("app.json"))
    first, second = (buildpack["url"] for buildpack in manifest["buildpacks"])
    assert f"--stack {manifest['stack']} --buildpack {first}" in commands
    assert f"buildpacks:add {second}" in commands


def test_nothing_of_the_template_is_left_in_its_documents(baked_project: BakedProject):
    files = [baked_project.path / "README.md", *(baked_project.path / "docs").glob("*.md")]
    for file in files:
        assert not re.search(r"cookiecutter\.(?!json)|\{\{|\{%", file.read_text("utf-8")), file


def test_no_module_is_over_300_lines():
    modules = [*ROOT.glob("hooks/*.py"), *(ROOT / PROJECT).rglob("*.py")]
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in modules}
    assert len(lengths) > 100
    assert {name: length for name, length in lengths.items() if length > 300} == {}
