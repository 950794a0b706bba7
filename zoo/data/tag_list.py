"""The frozen list of tags of a model: its words, how often people used them, and which forms count."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.checks import existing, listing
from zoo.errors import DataError, nearest
from zoo.files import csv_text, write_text
from zoo.preprocessing.text import tokenize

SHIPPED = ("coco_nouns", "coco_curated", "scene_nouns")

VOCABULARIES = Path(__file__).parent / "vocabularies"
_COLUMNS = ["tag", "captions", "forms"]


@dataclass(frozen=True)
class TagList:
    """Tags in the order of a model's outputs.

    Attributes:
        tags: The tags, e.g. "dog".
        counts: In how many captions each was counted as a noun (once per caption).
        forms: Words of a caption that count as the tag: the tag itself on a surface list,
            its inflections ("dog", "dogs") on a list of lemmas.
        source: Where the list comes from: corpus, licence, rule, and the command that writes it again.
    """

    tags: tuple[str, ...]
    counts: tuple[int, ...]
    forms: tuple[tuple[str, ...], ...]
    source: str = ""

    def __post_init__(self) -> None:
        """Raises unless there are tags, each once, and each with forms that a caption can contain."""
        if not len(self.tags) == len(self.counts) == len(self.forms):
            raise DataError(
                f"{len(self.tags)} tags, {len(self.counts)} counts and {len(self.forms)} lists of forms.",
                expected="one count and one list of forms per tag",
                fix="build all three from the same words",
            )
        if not self.tags:
            raise DataError(
                "The tag list is empty.",
                expected="at least one tag",
                fix="lower the threshold (--min-count), or count more captions",
            )
        twice = [tag for tag, count in Counter(self.tags).items() if count > 1]
        if twice:
            raise DataError(f"Tags occur twice: {listing(twice)}.", fix="keep each tag once")
        for tag, forms in zip(self.tags, self.forms, strict=True):
            odd = [form for form in forms if tokenize(form) != [form]]
            if odd or not forms:
                raise DataError(
                    f"Tag '{tag}' has {f'forms that no caption can contain: {listing(odd)}' if odd else 'no forms'}.",
                    expected="lower-case words such as 'dog dogs', separated by spaces",
                    fix="write the forms as captions are tokenized: [a-z]+(?:'[a-z]+)?",
                )

    def __len__(self) -> int:
        return len(self.tags)

    def at_least(self, min_count: float) -> TagList:
        """Returns the tags that occur in at least `min_count` captions, in their order."""
        return self._keep([row for row, count in enumerate(self.counts) if count >= min_count])

    def top(self, number: int) -> TagList:
        """Returns the first `number` tags; a counted list is ordered by count."""
        return self._keep(list(range(min(max(number, 0), len(self)))))

    def without(self, words: Collection[str]) -> TagList:
        """Returns the tags that are not among `words`, in their order."""
        return self._keep([row for row, tag in enumerate(self.tags) if tag not in words])

    def _keep(self, rows: list[int]) -> TagList:
        return replace(
            self,
            tags=tuple(self.tags[row] for row in rows),
            counts=tuple(self.counts[row] for row in rows),
            forms=tuple(self.forms[row] for row in rows),
        )


def read_tag_list(name_or_path: str | Path) -> TagList:
    """Reads a shipped tag list by its name, or a list from a CSV file.

    The file has `# ` lines that say where the list comes from, then the columns `tag,captions,forms`; forms
    are separated by spaces.

    Args:
        name_or_path: A name of `SHIPPED`, or a file.

    Returns:
        The list, in the order of the file.

    Raises:
        DataError: There is no such list or file, it is empty or malformed, or a tag occurs twice.
    """
    if str(name_or_path) in SHIPPED:
        return _parse(VOCABULARIES / f"{name_or_path}.csv")
    if Path(name_or_path).suffix:
        return _parse(existing(name_or_path, "the tag list"))
    if Path(name_or_path).is_file():
        return _parse(Path(name_or_path))
    raise DataError(
        f"There is no tag list '{name_or_path}'.{nearest(str(name_or_path), SHIPPED)}",
        expected=f"{' or '.join(SHIPPED)}, or a CSV file",
        fix="name one of these, or write your own list: mizoo vocabulary --captions FILE",
    )


def write_tag_list(tag_list: TagList, path: str | Path) -> Path:
    """Writes a tag list atomically, in the format that `read_tag_list` reads.

    Args:
        tag_list: The list; its `source` becomes the `# ` lines.
        path: The CSV file.

    Returns:
        The path.
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in tag_list.source.splitlines())
    rows = zip(tag_list.tags, tag_list.counts, map(" ".join, tag_list.forms), strict=True)
    write_text(Path(path), head + csv_text([_COLUMNS, *rows]))
    return Path(path)


def _parse(path: Path) -> TagList:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}.", fix="give a tag list in CSV") from error
    head = 0
    while head < len(lines) and lines[head].startswith("#"):
        head += 1
    rows = list(csv.reader(lines[head:]))
    if not rows or rows[0] != _COLUMNS:
        raise DataError(
            f"{path}, line {head + 1}: the columns are {','.join(rows[0]) if rows else 'missing'}.",
            expected=",".join(_COLUMNS),
            fix="write the list with: mizoo vocabulary --captions FILE",
        )
    for number, row in enumerate(rows[1:], head + 2):
        if len(row) != 3 or not row[0].strip() or not row[1].isdigit():
            raise DataError(
                f"{path}, line {number}: {','.join(row)!r} is no tag.",
                expected="dog,830,dog dogs",
                fix="correct the line, or remove it",
            )
    try:
        return TagList(
            tags=tuple(row[0].strip() for row in rows[1:]),
            counts=tuple(int(row[1]) for row in rows[1:]),
            forms=tuple(tuple(row[2].split()) for row in rows[1:]),
            source="\n".join(line.removeprefix("#").strip() for line in lines[:head]),
        )
    except DataError as error:
        raise DataError(f"{path}: {error.what}", expected=error.expected, fix=error.fix) from error
