"""What the README promises."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import zoo
from serving.server.flags import parse
from zoo.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_the_fit_script_runs_and_is_short(capsys):
    (script,) = (text for language, text in BLOCKS if language == "python" and "create_model" in text)
    assert len([line for line in script.splitlines() if line.strip()]) <= 10
    exec(compile(script, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip().endswith("]]")


def test_the_two_commands_are_targets_of_the_makefile():
    targets = re.findall(r"^make (\w+)", README, re.MULTILINE)
    assert targets == ["quickstart", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def commands() -> list[str]:
    text = "\n".join(text for language, text in BLOCKS if language == "sh").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("mizoo")]


@pytest.mark.parametrize("line", commands())
def test_command_lines_use_options_that_exist(line, mizoo, caplog):
    command, *arguments = shlex.split(line, comments=True)
    if command == "mizoo-model-server" or arguments[0] == "serve":
        parse([argument for argument in arguments if argument.startswith("-")], {})
        assert caplog.text == ""
        return
    groups = {group.typer_instance.info.name: group.typer_instance for group in app.registered_groups}
    names = [arguments.pop(0)]
    known = app
    if names[0] in groups:
        known = groups[names[0]]
        names.append(arguments.pop(0))
    assert names[-1] in {c.name or c.callback.__name__ for c in known.registered_commands}
    _, out, _ = mizoo(*names, "--help")
    for argument in arguments:
        if argument.startswith("--"):
            assert argument in out, argument


def test_every_model_is_listed():
    assert re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE) == zoo.list_models()


def test_every_file_that_it_names_exists():
    for path in re.findall(r"`((?:zoo|export|serving|tests|ci)/[\w/.]+)`", README):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([\w/.]+)\)", README):
        assert (ROOT / path).exists(), path
