"""Search through the server beside the same call in the process that has loaded the SavedModel.

    python -m ci.bench.search_served

A `vse_bow` on MobileNetV2 (random weights: speed does not depend on them) carries an index of random vectors. One
caller asks `analogy_direction` with a picture and two words, by turns through our client and server (one worker, gRPC)
and by the server's own loader in this process. Prints the medians and their ratio; the goal is below 2.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ci.bench.report import write_report
from ci.bench.serving_processes import Process, free_port

GOAL = 2.0
NAME, SIGNATURE = "vse_bow", "analogy_direction"
WARM_CALLS = 10
WORDS = tuple(f"{first}{second}" for first in "abcdefghij" for second in "abcdefghij")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--calls", type=int, default=200)
    arguments = parser.parse_args()
    rows = []
    for count in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder), count, arguments.calls))
        print(" ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    write_report(
        "search_served",
        command="python -m ci.bench.search_served",
        data="random unit vectors of 256 numbers, one drawn picture; MobileNetV2 with random weights",
        seeds=[0],
        rows=rows,
        extra={"goal_ratio": GOAL},
    )
    sys.exit(0 if all(row["ratio"] < GOAL for row in rows) else 1)


def measure(folder: Path, count: int, calls: int) -> dict[str, Any]:
    """Returns the medians for an index of so many rows."""
    from serving.client import Client
    from serving.server import loader
    from zoo.data.examples import example_image

    export(folder / NAME / "1", count)
    given = {
        "image_bytes": np.array([example_image(0)], object),
        "add": np.array([WORDS[0].encode()], object),
        "remove": np.array([WORDS[1].encode()], object),
    }
    servable = loader.load(folder / NAME / "1")
    outputs = sorted(servable.signatures[SIGNATURE].outputs)
    port = free_port()
    command = [sys.executable, "-m", "serving.server", str(folder), f"--port={port}", "--zoo_workers=1"]
    server = Process(command, folder / "server.log")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}") as client:
            ways: dict[str, Callable[[], object]] = {
                "in process": lambda: servable.run(SIGNATURE, given, outputs),
                "served": lambda: client.predict(NAME, given, signature=SIGNATURE),
            }
            server.wait_until(ways["served"], seconds=120)
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            for call in range(calls + WARM_CALLS):
                for way, run in ways.items():
                    began = time.perf_counter()
                    run()
                    if call >= WARM_CALLS:
                        seconds[way].append(time.perf_counter() - began)
    finally:
        server.stop()
        servable.close()
    inside, served = (statistics.median(seconds[way]) * 1e3 for way in ways)
    return {
        "rows": count,
        "in process p50 ms": round(inside, 2),
        "served p50 ms": round(served, 2),
        "ratio": round(served / inside, 3),
    }


def export(version: Path, count: int) -> None:
    """Writes the SavedModel that carries an index of so many rows."""
    from export.signatures import write_saved_model
    from zoo.backbones import build_backbone
    from zoo.catalog import get_spec
    from zoo.models.visual_semantic.analogy_signatures import Collection, analogy_signatures
    from zoo.models.visual_semantic.model import behind_backbone

    recipe = get_spec(NAME).load().configured("cpu", {"backbone": "mobilenet_v2"})
    backbone = build_backbone("mobilenet_v2")
    model = recipe.network(vocabulary=WORDS, feature_size=backbone.output_shape[-1])
    model = model.with_image_encoder(behind_backbone(model.image_encoder, backbone))
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((count, model.image_encoder.output_shape[-1]), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    collection = Collection([f"{row}.jpg" for row in range(count)], vectors, vectors.mean(axis=0))
    signatures = [s for s in analogy_signatures(model, collection, 10) if s.name == SIGNATURE]
    version.parent.mkdir(parents=True)
    write_saved_model(str(version), signatures)


if __name__ == "__main__":
    main()
