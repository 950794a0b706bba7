"""Fails when something public has no test or no card, or when a file is never collected or never linted."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import CASES, SIGNATURES
from zoo.catalog import catalogue
from zoo.cli import app
from zoo.models.cards import FAMILY_SECTIONS, SECTIONS, family_card, limits_of, read_sections

ROOT = Path(__file__).parent.parent
TESTS = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)}
EVERYTHING = "\n".join(TESTS.values())


def public_names(package: str) -> list[str]:
    """Public functions and classes defined in a package's modules."""
    names = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                names.append(node.name)
    return names


def test_every_model_has_a_case_and_signatures():
    assert CASES.keys() == catalogue().keys() == SIGNATURES.keys()


@pytest.mark.parametrize("family", sorted({spec.family for spec in catalogue().values()}))
def test_every_family_has_a_card(family):
    card = (ROOT / "zoo" / "models" / family / "CARD.md").read_text()
    for spec in catalogue().values():
        if spec.family == family:
            assert f"`{spec.name}`" in card


@pytest.mark.parametrize("spec", catalogue().values(), ids=lambda spec: spec.name)
def test_every_card_has_the_one_order_of_sections(spec):
    card = family_card(spec)
    assert card is not None
    headings = list(read_sections(card.read_text()))
    assert headings == [title for title in SECTIONS if title in headings]
    assert set(FAMILY_SECTIONS) <= set(headings)
    assert limits_of(spec)


@pytest.mark.parametrize("package", ["zoo/layers", "zoo/losses", "zoo/metrics"])
def test_every_layer_loss_and_metric_is_tested(package):
    missing = [name for name in public_names(package) if not re.search(rf"\b{name}\b", EVERYTHING)]
    assert not missing, f"no test names {missing}"


COMMANDS = [
    *([command.name] for command in app.registered_commands),
    *(
        [group.typer_instance.info.name, c.name or c.callback.__name__]
        for group in app.registered_groups
        for c in group.typer_instance.registered_commands
    ),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_is_tested(command):
    words = r",\s*".join(f'"{word}"' for word in command)
    assert re.search(rf"mizoo\(\s*{words}", EVERYTHING), f"no test runs `mizoo {' '.join(command)}`"


def test_every_test_file_is_collected():
    """pytest collects test_*.py; a file with tests and another name would pass unread."""
    for path, text in TESTS.items():
        has_tests = re.search(r"^(async )?def test_|^class Test", text, re.MULTILINE)
        if has_tests:
            assert path.name.startswith("test_"), path
    names = [path.name for path in TESTS if path.name.startswith("test_")]
    in_packages = [path for path in TESTS if (path.parent / "__init__.py").exists()]
    loose = [path.name for path in TESTS if path not in in_packages and path.name != "conftest.py"]
    assert len(set(loose)) == len(loose), "two loose test files of one name shadow each other"
    assert names


def test_the_largest_rooms():
    """A median file of at most 160 lines, and none over 400."""
    sizes = {
        path.relative_to(ROOT): len(path.read_text().splitlines())
        for package in ("zoo", "export", "serving")
        for path in (ROOT / package).rglob("*.py")
    }
    assert sorted(sizes.values())[len(sizes) // 2] <= 160
    assert {path: lines for path, lines in sizes.items() if lines > 400} == {}


def test_nothing_names_the_workplace():
    """The project knows data and weights only as options and environment variables."""
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT)
        if relative.parts[0] in {".git", ".venv", "quickstart", "runs", "models"} or not path.is_file():
            continue
        if path.suffix in {".py", ".md", ".toml", ".sh", ".json", ".yaml", ".csv"} or path.name in {
            "Makefile",
            "run",
        }:
            text = path.read_text(errors="ignore")
            assert not re.search(r"(^|[\s\"'(=])(/work/|\.\./shared)", text) or path == Path(__file__), (
                relative
            )


def test_every_file_is_linted():
    """A name to exclude, like that of the folder of exported models, may be that of a package too."""
    command = [sys.executable, "-m", "ruff", "check", "--show-files"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    packages = ("zoo", "export", "serving", "tests", "ci")
    files = {str(path) for package in packages for path in (ROOT.resolve() / package).rglob("*.py")}
    assert sorted(files - set(shown.splitlines())) == []
