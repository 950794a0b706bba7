"""Archives whose containers are hostile or damaged: extended headers, tar, gzip, bombs."""

from __future__ import annotations

import tarfile
import zlib

from export.store.behind import PIECE

from .archives import FILES, ZEROS, Case, bomb, extended, good, gz, member, record, sized, without

STREAMS: dict[str, Case] = {}


def _add(name: str, raw: bytes, *texts: str) -> None:
    STREAMS[name] = Case(raw, texts, FILES)


TOO_LONG = "are longer than 65536 bytes"
for label, header, text in [
    ("below zero", sized("pax", -512, tarfile.XHDTYPE), f"the headers before a member, 'pax', {TOO_LONG}"),
    ("cut short", extended(b"99 path=x\n"), r"an extended header of its tar is damaged at b'99 path=x\n'"),
    ("without an end", extended(b"9 path=xx"), "an extended header of its tar is damaged at b'9 path=xx'"),
    ("record of length zero", extended(b"0 path=x\n"), "an extended header of its tar is damaged"),
    ("no length", extended(b"path=x\n"), "an extended header of its tar is damaged"),
    ("huge", extended(record("comment", "x" * 200_000)), f"'././@PaxHeader', {TOO_LONG}"),
    ("huge name", member("x" * 200_000), f"'././@LongLink', {TOO_LONG}"),
    ("chain", extended(record("path", "x")) * 500, f"'././@PaxHeader', {TOO_LONG}"),
    ("empty chain", extended(b"") * 500, f"'././@PaxHeader', {TOO_LONG}"),
]:
    _add(f"header: {label}", gz(header + good()), text)
_add("header: of nothing", gz(good() + extended(record("path", "x"))), "it ends where a member was announced")
_add(
    "header: damaged",
    gz(good(without("saved_model.pb")) + member("saved_model.pb").replace(b"ustar", b"USTAR")),
    "a header of its tar is damaged (bad checksum)",
)

for label, raw, text in [
    (
        "that says so",
        bomb(sized("saved_model.pb", 2**30)),
        "'saved_model.pb' has 1073741824 bytes instead of 700",
    ),
    ("behind the end", bomb(good() + bytes(1024)), "more than 1048576 bytes follow the end of its tar"),
    ("from the start", bomb(b""), "more than 1048576 bytes follow the end of its tar"),
    ("in a PAX header", bomb(extended(b"", size=2**30)), f"'././@PaxHeader', {TOO_LONG}"),
    ("in a long name", bomb(sized("././@LongLink", 2**30, tarfile.GNUTYPE_LONGNAME)), TOO_LONG),
    (
        "of empty blocks",
        bomb(good(), 0) + bytes.fromhex("000000ffff") * 400_000,
        "its gzip stream is cut off",
    ),
]:
    _add(f"bomb: {label}", raw, text)

_add(
    "behind: garbage in the tar",
    gz(good(), end=bytes(1024) + b"garbage"),
    "something follows the end of its tar",
)
_add(
    "behind: members",
    gz(good(), end=bytes(1024) + member("run.sh", b"x")),
    "something follows the end of its tar",
)
SOUND = gz(good())
# A file name in the gzip header that moves the end of the stream to the end of a piece that is read.
NAMED = SOUND[:3] + b"\x08" + SOUND[4:10] + b"n" * (PIECE - len(SOUND) - 1) + b"\0" + SOUND[10:]
for label, raw in {
    "second gzip with a file": gz(good()) + gz(member("run.sh", b"x")),
    "second half": gz(good(), end=b"") + gz(b""),
    "a byte": SOUND + b"\0",
    "a byte of another piece": NAMED + b"\0",
    "zeros": SOUND + ZEROS * 3,
}.items():
    _add(f"behind: {label}", raw, "bytes follow the end of its gzip stream")

for label, raw, text in [
    ("check sum", SOUND[:-8] + b"\1\2\3\4" + SOUND[-4:], "incorrect data check"),
    ("length", SOUND[:-4] + b"\1\2\3\4", "incorrect length check"),
    ("page", b"<html>404</html>", "incorrect header check"),
    ("tar", good() + bytes(1024), "incorrect header check"),
    ("zlib", zlib.compress(good()), "incorrect header check"),
]:
    _add(f"gzip: {label}", raw, "its gzip stream is damaged (Error -3 while decompressing data", text)
for label, kept in {
    "nothing left": 0,
    "header": 5,
    "half": len(SOUND) // 2,
    "check sum": -8,
    "a byte": -1,
}.items():
    _add(f"gzip cut: {label}", SOUND[:kept], "its gzip stream is cut off")

for label, kept, text in [
    ("nothing left", 0, "the tar in it is cut off"),
    ("in a header", 700, "the tar in it is cut off"),
    ("in a file", 2100, "it is cut off in 'saved_model.pb'"),
    ("in the padding", len(good()) - 1, "the tar in it is cut off"),
    ("before its end", len(good()), "the tar in it is cut off"),
]:
    _add(f"tar cut: {label}", gz(good()[:kept], end=b""), text)
