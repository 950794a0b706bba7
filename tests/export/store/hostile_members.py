"""Archives in sound containers whose members are hostile: names, kinds, sizes, contents."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping

from .archives import FILES, Case, extended, good, gz, member, record, sized, without

MEMBERS: dict[str, Case] = {}


def _add(name: str, tar: bytes, *texts: str, files: Mapping[str, bytes] = FILES) -> None:
    MEMBERS[name] = Case(gz(tar), texts, files)


def _folder(name: str) -> bytes:
    return member(name, kind=tarfile.DIRTYPE)


def _path(path: str) -> bytes:
    # In PAX, as the standard library drops slashes from other headers.
    return extended(record("path", path)) + member("x", b"x")


NO_PATH = "is not one of a model's files"
for label, path in {
    "parent": "../x",
    "parent below": "a/../../x",
    "parent of a file": "variables/../saved_model.pb",
    "dot inside": "variables/./variables.index",
    "two slashes": "variables//variables.index",
    "two dots": "..",
    "absolute": "/outside",
    "slash at the end": "saved_model.pb/",
    "backslashes": "..\\..\\x",
    "drive": "C:x",
    "stream": "saved_model.pb:x",
    "control": "saved_model\x1b[2J",
    "newline": "saved\nmodel",
    "nul": "saved\0model",
    "right to left": "saved\u202emodel",
    "nothing": "",
}.items():
    _add(f"name: {label}", _path(path) + good(), NO_PATH, f"The path {path!r}")
_add("name: parent after a dot", _path("./../x") + good(), NO_PATH, "'../x'")
_add("name: latin-1", member("saved\udcfc", b"x") + good(), NO_PATH, r"'saved\udcfc'")
_add("name: folder above", _folder("../") + good(), NO_PATH, "'..'")
_add("name: nul in GNU", member("x", b"a\0b\0", b"L") + member("x") + good(), NO_PATH, r"'a\x00b'")
_add("name: long and absolute", member("/" + "a" * 300, b"x") + good(), NO_PATH, "'/aaa")
_add("name: too long", member("a" * 2000, b"x") + good(), NO_PATH, "'aaaa")

for label, kind, text in [
    ("symbolic link", tarfile.SYMTYPE, "a symbolic link"),
    ("hard link", tarfile.LNKTYPE, "a hard link"),
    ("character device", tarfile.CHRTYPE, "a character device"),
    ("block device", tarfile.BLKTYPE, "a block device"),
    ("pipe", tarfile.FIFOTYPE, "a named pipe"),
    ("continuous", tarfile.CONTTYPE, "of the unknown type b'7'"),
    ("volume", b"V", "of the unknown type b'V'"),
    ("global header", tarfile.XGLTYPE, "a header for all members"),
    ("GNU sparse", tarfile.GNUTYPE_SPARSE, "a sparse file"),
]:
    _add(
        f"kind: {label}",
        good() + member("odd", kind=kind, link="saved_model.pb"),
        f"'odd' is {text}, neither",
    )
    _add(
        f"kind: listed {label}",
        member("saved_model.pb", kind=kind, link="assets/labels.txt") + good(without("saved_model.pb")),
        f"'saved_model.pb' is {text}, neither a regular file nor a folder",
    )
_add(
    "kind: PAX sparse",
    extended(record("GNU.sparse.major", "1")) + good(),
    "'assets/labels.txt' is a sparse file",
)
_add("kind: long link", member("x", kind=tarfile.SYMTYPE, link="/" * 200) + good(), "is a link, neither")

INDEX = "variables/variables.index"
_add("twice", good() + member("saved_model.pb", b"another"), "'saved_model.pb' is in it twice")
_add("twice: folder", _folder("variables/") * 2 + good(), "'variables' is in it twice")
_add("twice: the folder itself", _folder("./") * 2 + good(), "'.' is in it twice")
_add("twice: with a dot", good() + member("./saved_model.pb", b"x"), "'saved_model.pb' is in it twice")
_add("clash: file", good() + member("SAVED_MODEL.pb", b"x"), "'SAVED_MODEL.pb' clash")
_add("clash: folder", good() + member("Variables/x", b"x"), "'variables' and 'Variables' clash")
_add(
    "clash: file for a folder", member("variables", b"x") + good(), "'variables' clash", "a file or a folder"
)
_add(
    "clash: folder for a file",
    _folder("saved_model.pb") + good(),
    "'saved_model.pb' clash",
    "a file or a folder",
)
_add("extra: file", good() + member("run.sh", b"x"), "the file 'run.sh' is not listed in the index")
_add(
    "extra: signature", good() + member("model.sig", b"x"), "the file 'model.sig' is not listed in the index"
)
_add("extra: folder", good() + _folder("empty"), "the folder 'empty' is not listed in the index")
_add("missing: file", good(without(INDEX)), f"'{INDEX}' is missing in it.")
_add("missing: all", b"", "'assets/labels.txt' is missing in it, and 3 more.")
_add(
    "content",
    good(FILES | {INDEX: b"AN INDEX"}),
    f"'{INDEX}' has the SHA-256 3c8f0c700bcf6f88bf2d7a4d523364e95620a37c722295ada529137a552df37b instead of "
    "13f28396e236ef752a2f8e7911c5ecc6750e3c9b96114475b260cc73cdd06d3a",
)

_add("size: other", good(FILES | {INDEX: b"longer than it"}), f"'{INDEX}' has 14 bytes instead of 8")
for label, size in {"less": 699, "more": 5000}.items():
    listed = FILES | {"saved_model.pb": bytes(size)}
    _add(
        f"size: index says {label}", good(), f"'saved_model.pb' has 700 bytes instead of {size}", files=listed
    )
_add("size: in PAX", extended(record("size", "9")) + good(), "'assets/labels.txt' has 9 bytes instead of 5")
_add(
    "size: below zero in PAX", extended(record("size", "-9")) + good(), "'assets/labels.txt' says that", "-9"
)
_add(
    "size: below zero",
    sized("saved_model.pb", -512) + good(),
    "'saved_model.pb' says that it has a size of -512",
)
_add(
    "size: of a folder",
    sized("assets", 512, tarfile.DIRTYPE) + good(),
    "'assets' says that it has a size of 512",
)
