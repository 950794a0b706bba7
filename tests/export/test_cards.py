"""Model cards: one order, true content, no way for data to become markup, and pages that load nothing."""

from __future__ import annotations

import base64
import html.parser
import io
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from export.cards import text
from export.cards.calls import client_call
from export.cards.content import make_card, metrics_table
from export.cards.html import to_html
from export.cards.markdown import to_markdown
from export.cards.samples import samples
from export.cards.target import find, version_card, write_card
from export.contract import CONTRACT_FILE, read_contract
from export.licence import licence_of
from export.prediction_log import GOLDEN_FILE, Golden, record
from serving.client import Client
from serving.protocol import tfrecord
from serving.server import Server
from tests.export.store.small_models import write_small_model
from zoo.data.examples import example_image
from zoo.errors import DataError, ExportError, MissingExtraError, RunError
from zoo.models.cards import SECTIONS, limits_of, read_sections
from zoo.spec import ModelSpec

EVIL = "<script>alert(1)</script>"
TENSOR = {"dtype": "float32", "shape": [None, 2]}


def contract(**changes):
    """The contract of a small model, by hand."""
    return {
        "schema": 2,
        "name": "adder",
        "model": "adder",
        "run": "adder/20260101-000000-000000",
        "summary": "Adds",
        "source": "nobody",
        "inputs": "x: float32 [N, 2]",
        "outputs": "y",
        "pixel_range": "none",
        "config": {"epochs": 2, "weights": None},
        "facts": {},
        "signatures": {
            "serving_default": {
                "inputs": {"x": TENSOR},
                "outputs": {"y": {"dtype": "float32", "shape": [None]}},
            }
        },
        "data": {"name": "sums", "rows": {"train": 8, "validation": 1, "test": 3}},
        "metrics": {"test": {"model": {"mse": 0.25, "hits": 3}, "zero": {"mse": 1.5, "hits": 0}}},
        "command": "mizoo evaluate runs/adder/20260101-000000-000000",
        "history": {"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.5, 2.0]},
        "made_with": {
            "started": "2026-01-01T00:00:00+00:00",
            "preset": None,
            "python": "3.11.7",
            "system": "Linux x86_64",
            "cores": 2,
            "backend": "tensorflow",
            "device": "x86_64",
            "versions": {"keras": "3.15.1"},
            "seed": 7,
            "precision": "float32",
            "devices": 1,
        },
        "limits": "- Adds *two* numbers only.",
        "licence": {"code": "Apache-2.0", "weights": "none", "data": "sums: mine", "research_only": False},
    } | changes


X = np.array([[1, 2], [3, 4]], np.float32)
GOLDEN = Golden("serving_default", {"x": X}, {"y": np.array([3, 7], np.float32)})


def version(folder, content, goldens=(GOLDEN,)):
    """A folder as `mizoo export` leaves it, without a real SavedModel."""
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    (folder / CONTRACT_FILE).write_text(json.dumps(content))
    tfrecord.write(folder / GOLDEN_FILE, [record("adder", g.signature, g.inputs, g.outputs) for g in goldens])
    return folder


class Page(html.parser.HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def pictures(page: str) -> list[Image.Image]:
    """Every picture of a page, opened."""
    opened = []
    for attributes in Page(page).all("img"):
        kind, _, content = attributes["src"].partition(",")
        assert kind == "data:image/png;base64"
        opened.append(Image.open(io.BytesIO(base64.b64decode(content))))
        opened[-1].load()
    return opened


def test_both_forms_have_all_sections_in_order():
    card = make_card(contract(), [GOLDEN])
    assert tuple(read_sections(to_markdown(card))) == SECTIONS
    assert re.findall("<h2>(.*?)</h2>", to_html(card)) == list(SECTIONS)


def test_what_the_markdown_says():
    said = read_sections(to_markdown(make_card(contract(), [GOLDEN])))
    assert said["What it is"] == "Adds.\n\nSource: nobody."
    assert r"| `serving_default` | `x` float32 \[N, 2\] | `y` float32 \[N\] |" in said["Input and output"]
    assert said["Measured"] == (
        "Data set `sums`: 3 rows of the test split, 8 trained on; seed 7. "
        "The other columns are references that `model` must beat.\n\n"
        "```sh\nmizoo evaluate runs/adder/20260101-000000-000000\n```\n\n"
        "| metric | model | zero |\n| --- | --- | --- |\n| mse | 0.2500 | 1.5000 |\n| hits | 3 | 0 |\n\n"
        "| epoch | loss | val_loss |\n| --- | --- | --- |\n"
        "| first, 1 | 3.0000 | 3.0000 |\n| best, 2 | 2.0000 | 1.5000 |\n| last, 3 | 1.0000 | 2.0000 |"
    )
    assert "| `x` → | `y` |\n| --- | --- |\n| 1, 2 | 3 |\n| 3, 4 | 7 |" in said["Examples"]
    assert "Settings: `epochs=2`" in said["Made with"]
    assert said["Limits"] == "- Adds *two* numbers only."
    assert said["Licence"].startswith("- Code: Apache-2.0\n- Weights: none\n- Data: sums: mine")


def test_what_is_missing_is_said():
    bare = contract(signatures={}, limits="", history={})
    said = read_sections(to_markdown(make_card(bare, [])))
    assert said["Limits"] == "The authors of this model state none."
    assert said["Examples"] == "Example inputs and outputs are written by `mizoo export`."
    assert said["Input and output"].endswith("Signatures and client calls are written by `mizoo export`.")
    assert said["Measured"].endswith("There are no learning curves: nothing was trained in epochs.")


def test_a_research_only_model_says_so_first():
    licence = contract()["licence"] | {"research_only": True}
    said = read_sections(to_markdown(make_card(contract(licence=licence), [])))
    assert said["Licence"].startswith("**Research only**")


def test_the_page_holds_its_pictures_and_loads_nothing():
    picture = np.array([example_image(0), example_image(2)], object)
    golden = Golden("serving_default", {"image_bytes": picture}, GOLDEN.outputs)
    page = to_html(make_card(contract(), [golden]))
    bars, curves, jpeg, png = pictures(page)
    assert bars.width > 500
    assert curves.width > 500
    assert max(jpeg.size) <= 128
    assert max(png.size) <= 128
    original = Image.open(io.BytesIO(picture[1])).convert("RGB")
    original.thumbnail((128, 128))
    assert np.array_equal(np.asarray(png), np.asarray(original))
    found = Page(page)
    assert {name for name, _ in found.found} & {"script", "link", "iframe", "object"} == set()
    assert not re.search(r"url\(|@import", page)
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page
    assert {m.get("name") for m in found.all("meta")} >= {"viewport"}


def test_texts_from_data_stay_texts():
    evil = f"{EVIL} ![x](https://evil.example/a.png) [y](javascript:z) | `*b*` \n## Licence"
    changed = contract(
        name=evil,
        summary=evil,
        source=evil,
        data=contract()["data"] | {"name": evil},
        metrics={"test": {"model": {evil: 1.0}, evil: {evil: 2.0}}},
        config={"vocabulary": evil},
        limits=f"- {EVIL} ![x](https://evil.example/a.png)",
        licence=contract()["licence"] | {"data": evil},
        signatures={evil: {"inputs": {evil: TENSOR}, "outputs": {evil: TENSOR}}},
    )
    tags = np.array([EVIL.encode(), evil.encode()], object)
    card = make_card(changed, [Golden(evil, {"x": X}, {evil: tags})])
    page = to_html(card)
    found = Page(page)
    assert found.all("script") == []
    assert all(attributes["src"].startswith("data:") for attributes in found.all("img"))
    assert len(found.all("img")) == 2, "the bars and the curves"
    assert all(not (a["href"] or "").startswith("javascript") for a in found.all("a"))
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 10
    assert re.findall("<h2>(.*?)</h2>", page) == list(SECTIONS)
    assert found.all("b") == []
    rows = re.search(r"<tbody>\n<tr>(.*?)</tr>", page[page.index("Measured</h2>") :], re.DOTALL)
    assert rows[1].count("<td>") == 3, "a | in a name makes no column"


def test_the_same_input_gives_the_same_bytes(tmp_path):
    folder = version(tmp_path / "adder" / "1", contract())
    pages = []
    for name in ("a", "b"):
        write_card(version_card(folder), tmp_path / f"{name}.md", tmp_path / f"{name}.html")
        pages.append((tmp_path / f"{name}.html").read_bytes() + (tmp_path / f"{name}.md").read_bytes())
    assert pages[0] == pages[1]


def test_examples_of_every_kind():
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    golden = Golden(
        "s",
        {"text": np.array(["a|b"], object), "image": np.zeros((1, 4, 6, 3), np.uint8)},
        {
            "embedding": np.array([[0.5, 0.25, 1, 2, 3, 4]], np.float32),
            "grid": values,
            "ids": np.array([7], np.int64),
            "tags": np.array([[b"x", b"\xff"]], object),
            "scale": np.float32(2.5),
        },
    )
    shown, figures = samples(golden, 4)
    assert shown.splitlines()[2] == (
        r"| ![uint8 (4, 6, 3)](figure:sample-4-0-0) | `a\|b` | 0.5, 0.25, 1, 2, 3, … (6) "
        "| float32 (3, 4), 0 .. 11, mean 5.5 | 7 | 2.5 | `x`, 1 bytes |"
    )
    assert Image.open(io.BytesIO(figures["sample-4-0-0"]())).size == (6, 4)


def test_bytes_that_only_begin_like_a_picture_are_described():
    golden = Golden("s", {"image_bytes": np.array([b"\xff\xd8\xff not one"], object)}, {"y": X[:1]})
    page = to_html(make_card(contract(), [golden]))
    assert "<td>JPEG, 0.0 kB</td>" in page
    assert len(Page(page).all("img")) == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a_b", "a_b"),
        ("_a_", r"\_a\_"),
        ("a\n# b", r"a \# b"),
        ("x|y", r"x\|y"),
        ("see https://example.org/a_b.", "see <https://example.org/a_b>."),
    ],
    ids=["word", "emphasis", "line", "pipe", "address"],
)
def test_plain(value, shown):
    assert text.plain(value) == shown


def test_code_and_blocks_cannot_be_left():
    assert text.code("a`b``c") == "``` a`b``c ```"
    assert text.block("x\n```\ny", "sh") == "````sh\nx\n```\ny\n````"


def test_metrics_table_leaves_out_what_a_predictor_lacks():
    assert metrics_table({"model": {"mse": 0.5}, "people": {}}).splitlines()[-1] == "| mse | 0.5000 |  |"


@pytest.mark.parametrize(
    ("signature", "inputs", "example", "call"),
    [
        (
            "serving_default",
            {"image_bytes": {"dtype": "string", "shape": [None]}},
            {},
            '"m", image="cat.jpg"',
        ),
        (
            "dense",
            {"image_bytes": {"dtype": "string", "shape": [None]}},
            {},
            '"m", {"image_bytes": "cat.jpg"}, signature="dense"',
        ),
        (
            "text",
            {"text": {"dtype": "string", "shape": [None]}},
            {"text": np.array([b'a "dog"'], object)},
            r'"m", {"text": ["a \"dog\""]}, signature="text"',
        ),
        (
            "x",
            {"x": TENSOR},
            {"x": X},
            '"m", {"x": np.array([[1.0, 2.0], [3.0, 4.0]], "float32")}, signature="x"',
        ),
        (
            "tensor",
            {"image": {"dtype": "uint8", "shape": [None, None, None, 3]}},
            {},
            '"m", {"image": np.zeros((1, 64, 64, 3), "uint8")}, signature="tensor"',
        ),
    ],
    ids=["default", "file", "text", "numbers", "pixels"],
)
def test_client_calls(signature, inputs, example, call):
    program = client_call("m", signature, inputs, example)
    compile(program, "card", "exec")
    assert f"client.predict({call})" in program
    assert ("import numpy as np" in program) == ("np." in call)


def test_limits_are_those_of_the_family():
    from zoo.catalog import get_spec

    assert limits_of(get_spec("tagging_binomial")).startswith("- The vocabulary is closed.")
    third_party = ModelSpec("x", "json.decoder:JSONDecoder", "", "", "", "")
    assert limits_of(third_party) == ""


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"schema": 1}, "was written with schema 1, which has neither limits nor licence"),
        ({"schema": 3}, "was written with schema 3."),
        ([], "cannot be read: AttributeError"),
        ({"schema": 2}, "No card can be made of"),
        (contract(history={"epoch": [], "loss": []}), "No card can be made of"),
        (contract(metrics={"test": {}}), "No card can be made of"),
    ],
    ids=["schema 1", "schema 3", "list", "empty", "no epochs", "no predictor"],
)
def test_contracts_that_make_no_card(tmp_path, content, text):
    with pytest.raises(ExportError, match=text):
        version_card(version(tmp_path / "1", content))


def test_what_is_no_target(tmp_path, mizoo):
    with pytest.raises(DataError, match="does not exist"):
        find(tmp_path / "nothing")
    with pytest.raises(ExportError, match="is neither a run nor an exported model"):
        find(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"schema": 1, "model": "tagging_two_head"}))
    with pytest.raises(RunError, match=r"has no CARD\.md: its training has not ended"):
        find(tmp_path)


def test_card_of_a_models_folder_is_that_of_the_highest_version(tmp_path, mizoo, monkeypatch):
    for number in (2, 10):
        version(tmp_path / "models" / "adder" / str(number), contract(summary=f"Adds {number}"))
    (tmp_path / "models" / "adder" / "11").mkdir()
    monkeypatch.chdir(tmp_path)
    status, out, err = mizoo("card", "models/adder")
    assert status == 0, err
    assert out.split() == ["CARD.md", "card.html"]
    assert "Adds 10." in (tmp_path / "CARD.md").read_text()
    status, out, _ = mizoo("card", "models/adder/2", "--to", "cards/adder-2.html")
    assert (status, out.split()) == (0, ["cards/adder-2.md", "cards/adder-2.html"])
    assert "Adds 2." in (tmp_path / "cards" / "adder-2.html").read_text()
    status, _, err = mizoo("card", "models/adder", "--to", "card.pdf")
    assert (status, "ending in .md or .html" in err) == (2, True)
    before = sorted(tmp_path.rglob("*"))
    status, _, err = mizoo("card", "models/adder", "--to", "models/adder/10/assets.extra")
    assert (status, "is never changed" in err) == (2, True)
    assert sorted(tmp_path.rglob("*")) == before


CHILD = """
import sys
blocked = sys.argv[3].split(",")
sys.modules.update(dict.fromkeys(blocked))
from pathlib import Path
from export.cards.target import version_card, write_card
write_card(version_card(Path(sys.argv[1])), Path(sys.argv[2], "c.md"), Path(sys.argv[2], "c.html"))
"""


def card_process(folder, to, blocked):
    command = [sys.executable, "-c", CHILD, str(folder), str(to), blocked]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_card_needs_no_framework(tmp_path):
    folder = version(tmp_path / "1", contract())
    done = card_process(folder, tmp_path, "tensorflow,keras,jax,pandas,sklearn,uvicorn")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c.html").is_file()


def test_without_matplotlib_nothing_is_written(tmp_path):
    folder = version(tmp_path / "1", contract())
    done = card_process(folder, tmp_path, "matplotlib,matplotlib.figure")
    assert f"{MissingExtraError.__name__}: Drawing" in done.stderr
    assert "pip install 'mizoo[zoo]'" in done.stderr
    assert not list(tmp_path.glob("c.*"))


NAME = "tagging_binomial"


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """A tagger that a user exported with terms of their own."""
    from export.run import export_run

    run = trained(NAME).run
    return export_run(
        run.folder, tmp_path_factory.mktemp("models"), data_licence="mine to give", research_only=True
    )


def test_export_records_terms_signatures_and_history(exported, trained):
    said = read_contract(exported)
    assert said["licence"] == {
        "code": "Apache-2.0",
        "weights": "backbone and head trained from random weights",
        "data": "shapes: drawn by mizoo itself, without pictures of others: Apache-2.0; stated at export: mine to give",
        "research_only": True,
    }
    tags = len(said["facts"]["tags"])
    assert said["signatures"]["distribution"] == {
        "inputs": {"image_bytes": {"dtype": "string", "shape": [None]}},
        "outputs": {"mention": {"dtype": "float32", "shape": [None, tags, 6]}},
    }
    assert said["signatures"]["tensor"]["inputs"]["image"] == {
        "dtype": "uint8",
        "shape": [None, None, None, 3],
    }
    assert next(iter(said["signatures"])) == "serving_default"
    assert said["history"]["epoch"] == [1, 2, 3]
    assert said["metrics"]["test"] == trained(NAME).run.metrics("test")
    assert said["limits"].startswith("- The vocabulary is closed.")


def test_exported_cards(exported):
    markdown = (exported / "assets.extra" / "CARD.md").read_text()
    assert tuple(read_sections(markdown)) == SECTIONS
    assert "| metric | model | constant | per-tag table |" in markdown
    page = (exported / "assets.extra" / "card.html").read_text()
    assert page == to_html(version_card(exported))
    # bars and curves; three rows of four signatures that take pictures
    assert len(pictures(page)) == 2 + 3 * 4


def test_the_calls_of_the_card_run(exported, tmp_path, monkeypatch, capsys):
    (tmp_path / "cat.jpg").write_bytes(example_image(0))
    monkeypatch.chdir(tmp_path)
    programs = re.findall(
        r"```python\n(.*?)```", (exported / "assets.extra" / "CARD.md").read_text(), re.DOTALL
    )
    assert len(programs) == 5
    with Server(exported.parent.parent, port=0) as server:
        with Client(server.address) as client:
            client.wait_ready(NAME)
        for program in programs:
            assert program.count("localhost:8500") == 1
            exec(compile(program.replace("localhost:8500", server.address), "card", "exec"), {})
    printed = capsys.readouterr().out
    assert {"tags", "threshold", "mention", "tag"} <= {line.split()[0] for line in printed.splitlines()}


def test_card_of_a_run(trained, mizoo, tmp_path):
    run = trained(NAME).run
    assert tuple(read_sections((run.folder / "CARD.md").read_text())) == SECTIONS
    assert len(pictures((run.folder / "card.html").read_text())) == 2
    status, _, err = mizoo("card", run.folder, "--to", tmp_path)
    assert status == 0, err
    for name in ("CARD.md", "card.html"):
        assert (tmp_path / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_training_without_matplotlib_still_ends(trained, tmp_path, monkeypatch, caplog):
    from zoo.training.run import Run
    from zoo.training.session import _write_card

    run = Run(tmp_path / trained(NAME).run.folder.name)
    shutil.copytree(
        trained(NAME).run.folder, run.folder, ignore=shutil.ignore_patterns("CARD.md", "card.html")
    )
    assert not run.finished
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    _write_card(run)
    assert run.finished
    assert not (run.folder / "card.html").exists()
    assert "no card.html" in caplog.text


class FakeRun:
    """What `licence_of` reads of a run."""

    def __init__(self, data: str, **config: str | None) -> None:
        self.record = {
            "model": NAME,
            "data": {"name": data},
            "config": config,
            "facts": {"backbone_sha256": "ab12"},
        }


@pytest.mark.parametrize(
    ("run", "weights", "data", "research_only"),
    [
        (
            FakeRun("holiday", backbone="tiny_cnn", weights=None),
            "backbone and head trained from random weights",
            "holiday: not stated; the user’s own",
            False,
        ),
        (
            FakeRun("holiday", backbone="vgg16", weights="/a/w.h5"),
            "vgg16 from w.h5 (sha256 of the weights ab12): CC BY 4.0; trained on ImageNet, "
            "whose own terms are non-commercial research",
            "holiday: not stated; the user’s own",
            True,
        ),
        (
            FakeRun("Flickr8k", backbone="hub:/m", weights=None, word_vectors="/v/glove.txt"),
            "hub:/m: as its publisher states; not judged here; word vectors of glove.txt: as their publisher states",
            "Flickr8k: photographs of Flickr users, given out for non-commercial research and education only "
            "(https://hockenmaier.cs.illinois.edu/8k-pictures.html)",
            True,
        ),
        (
            FakeRun(
                "holiday", backbone="hub:/m", weights=None, second_backbone="vgg16", second_weights="/a/w.h5"
            ),
            "hub:/m: as its publisher states; not judged here; vgg16 from w.h5: CC BY 4.0; trained on ImageNet, "
            "whose own terms are non-commercial research",
            "holiday: not stated; the user’s own",
            True,
        ),
    ],
    ids=["own", "imagenet", "hub", "two networks"],
)
def test_licence(run, weights, data, research_only):
    assert licence_of(run) == {
        "code": "Apache-2.0",
        "weights": weights,
        "data": data,
        "research_only": research_only,
    }
    assert licence_of(run, research_only=True)["research_only"]


def test_a_known_mark_stays_whatever_the_user_states():
    said = licence_of(FakeRun("flickr8k", backbone="tiny_cnn", weights=None), data_licence="public domain")
    assert said["research_only"]
    assert said["data"].startswith("flickr8k: photographs of Flickr users")
    assert said["data"].endswith("; stated at export: public domain")


def test_a_backbone_from_a_store_hands_its_terms_on(tmp_path, monkeypatch):
    from export.store.fetch import fetch
    from export.store.publish import publish

    monkeypatch.setenv("MIZOO_CACHE", str(tmp_path / "cache"))
    terms = {"code": "MIT", "weights": "of a giant", "data": "faces: theirs", "research_only": True}
    publish(
        write_small_model(tmp_path / "models" / "giant" / "1", licence=terms),
        tmp_path / "store",
        research_only=True,
    )
    fetch("giant", sources=[tmp_path / "store"])
    said = licence_of(FakeRun("holiday", backbone="store:giant@1", weights=None))
    assert said["weights"] == "store:giant@1: of a giant; trained on faces: theirs"
    assert said["research_only"]
