"""Whether there is room on the disks before anything is written to them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import StoreError


def check_space(handle: str, needs: Sequence[tuple[Path, int, str]]) -> None:
    """Raises StoreError where a disk has too little room.

    Args:
        handle: What is fetched, for the text.
        needs: Folder (which need not exist yet), bytes, and how they get there, e.g. "downloaded".
    """
    disks: dict[int, list[tuple[Path, int, str]]] = {}
    for folder, size, purpose in needs:
        there = next(path for path in [folder, *folder.parents] if path.exists())
        disks.setdefault(there.stat().st_dev, []).append((there, size, purpose))
    for disk in disks.values():
        folder, free = disk[0][0], shutil.disk_usage(disk[0][0]).free
        if sum(size for _, size, _ in disk) > free:
            parts = " and ".join(f"{size} bytes {purpose}" for _, size, purpose in disk if size)
            raise StoreError(
                f"{handle} does not fit on the disk of {folder}, which has {free} bytes free.",
                expected=f"room for {parts}",
                fix="make room, or choose other disks: --to for the model, MIZOO_CACHE for the download",
            )
