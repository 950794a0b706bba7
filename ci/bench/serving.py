"""How much of a SavedModel's speed is left behind our server, beside Ray Serve and BentoML.

    python -m ci.bench.serving --peers-path DIR

For each network, server and number of callers: requests per second and latencies, and the ratio to the in-process
limit measured just before: as many threads of single-picture calls as there are callers, or, for a server that
batches, one thread of batches of as many pictures (at most 32). The load comes from h2load, on the cores of the
servers where there are fewer than four, or from this process (--load=asyncio): one connection per caller, ready-made
requests of 150 kB. Every server's answers are compared with Keras's. Each repetition starts all servers anew; ours take
turns measurement by measurement, each peer runs without another beside.

The peers need not be installed beside the rest: `pip install --target DIR 'ray[serve]' bentoml` and --peers-path DIR.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.machinery
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ci.bench import serving_contenders as contenders
from ci.bench import serving_figure, serving_h2load, serving_load, serving_models, serving_wire
from ci.bench.report import RESULTS, write_report
from ci.bench.serving_contenders import Contender, Place
from ci.bench.serving_limit import Limit
from ci.bench.serving_load import Caller, Load
from ci.bench.serving_models import Example
from ci.bench.serving_processes import Process, split_cores
from ci.bench.serving_rows import CONCURRENCIES, Sample, goals, rows

PEERS = {"ray": contenders.Ray, "bentoml": contenders.Bento}
SHADOWED = (
    "numpy",
    "grpcio",
    "protobuf",
)  # a peer's folder comes first on the path: its versions must be ours


@dataclasses.dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        seconds: Of a measurement.
        repetitions: Of everything.
        models: Keys of `serving_models.BUILDERS`.
        modes: Of our server.
        concurrencies: Numbers of callers.
        peers: Keys of `PEERS`.
        peers_path: Folder with their packages; None: they are installed.
        wire: Measure the way there and back, too.
        load: What sends the requests, a key of `LOADS`.
    """

    seconds: float = 5.0
    repetitions: int = 5
    models: Sequence[str] = tuple(serving_models.BUILDERS)
    modes: Sequence[contenders.Mode] = contenders.MODES
    concurrencies: Sequence[int] = CONCURRENCIES
    peers: Sequence[str] = ()
    peers_path: Path | None = None
    wire: bool = True
    load: str = "h2load"


def from_h2load(caller: Callable[[], Caller], concurrency: int, seconds: float) -> Load:
    """Requests of another program."""
    return serving_h2load.measure(caller(), concurrency, seconds)


def from_asyncio(caller: Callable[[], Caller], concurrency: int, seconds: float) -> Load:
    """Requests of this process."""
    return serving_load.measure([caller() for _ in range(concurrency)], seconds)


LOADS = {"h2load": from_h2load, "asyncio": from_asyncio}

# One network and one mode, for the tests: does everything work, and is the ratio no disaster?
SMOKE = Options(
    seconds=0.5,
    repetitions=1,
    models=("tiny_cnn",),
    modes=contenders.MODES[:1],
    concurrencies=(1, 8),
    wire=False,
    load="asyncio",
)


@dataclasses.dataclass
class Findings:
    """All samples, the wire's rows per repetition, and the settings of every server."""

    samples: list[Sample] = dataclasses.field(default_factory=list)
    wire: list[list[dict[str, Any]]] = dataclasses.field(default_factory=list)
    settings: dict[str, str] = dataclasses.field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--peers", default="ray,bentoml", help="comma-separated; empty for none")
    parser.add_argument("--peers-path", type=Path, help="folder made by pip install --target")
    parser.add_argument(
        "--load",
        choices=tuple(LOADS),
        default="h2load",
        help="asyncio: a Python client, which takes half a core",
    )
    parser.add_argument("--smoke", action="store_true", help="half a minute, nothing is written")
    given = parser.parse_args()
    options = SMOKE
    if not given.smoke:
        if given.load == "h2load":
            serving_h2load.require()
        peers_path = given.peers_path.resolve() if given.peers_path else None
        peers = usable_peers([name for name in given.peers.split(",") if name], peers_path)
        options = Options(
            given.seconds, given.repetitions, peers=peers, peers_path=peers_path, load=given.load
        )
    load = round(os.getloadavg()[0], 1)
    client_cores, server_cores = split_cores()
    if client_cores:
        os.sched_setaffinity(0, client_cores)
        pinning = f"client on core {client_cores}, servers and the limit on {server_cores}"
    else:
        pinning = f"{os.cpu_count()} cores: too few to part client and servers, they share them"
    print(f"{pinning}; load average {load}")
    findings = run(options, server_cores)
    table, reached = (
        rows(findings.samples),
        goals(findings.samples, [PEERS[peer].name for peer in options.peers]),
    )
    wire = serving_wire.medians(findings.wire)
    for part in (table, wire, reached):
        show(part)
    if given.smoke:
        return
    path = write_report(
        "serving",
        command="python -m ci.bench.serving --peers-path DIR",
        data="one random 224x224x3 uint8 picture; networks with random weights",
        seeds=[],
        rows=table,
        extra={
            "wire": wire,
            "goals": reached,
            "settings": findings.settings,
            "peer_versions": {peer: version(peer, options.peers_path) for peer in options.peers},
            "load_average_before": load,
            "load": options.load,
            "pinning": pinning,
            "seconds": options.seconds,
            "repetitions": options.repetitions,
        },
    )
    serving_figure.draw(table, RESULTS / "serving.png")
    print(f"written: {path}")


def run(options: Options, cores: Sequence[int] = ()) -> Findings:
    """Builds the networks and measures everything.

    Args:
        options: What to measure.
        cores: Of the servers and the limit; empty for all.
    """
    findings = Findings()
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(Path(scratch) / "models", Path(scratch), cores, options.peers_path)
        log = place.scratch / "models.log"
        with log.open("wb") as file:
            command = [sys.executable, "-m", "ci.bench.serving_models", str(place.models), *options.models]
            if subprocess.run(command, stdout=file, stderr=file, check=False).returncode:
                raise RuntimeError(log.read_text()[-3000:])
        examples = serving_models.read_examples(place.models)
        for repetition in range(options.repetitions):
            with ExitStack() as stack:
                log = place.scratch / "limit.log"
                limit = Limit(Process(Limit.command(place.models), log, cores=cores, spoken_to=True))
                stack.callback(limit.stop)
                alone = [contenders.NoModel(place, transport) for transport in contenders.TRANSPORTS]
                ours = [contenders.Ours(place, mode) for mode in options.modes]
                together(findings, options, limit, [*alone, *ours], examples)
                for peer in options.peers:
                    together(findings, options, limit, [PEERS[peer](place)], examples)
            print(f"repetition {repetition + 1} of {options.repetitions} done", flush=True)
    return findings


def together(
    findings: Findings,
    options: Options,
    limit: Limit,
    servers: Sequence[Contender],
    examples: Sequence[Example],
) -> None:
    """Starts servers and measures them in turns; those that are not asked wait and take no time."""
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
        for server in servers:
            server.wait(examples)
            if server.name not in findings.settings:
                findings.settings[server.name] = server.settings
                print(f"{server.name}: {server.settings}", flush=True)
        for example in examples:
            for concurrency in options.concurrencies:
                for batched in (False, True):
                    asked = [s for s in servers if example is examples[0] or not s.once]
                    held_to = [server for server in asked if server.batched == batched]
                    if held_to:
                        bound = limit.load(example.model, concurrency, batched, options.seconds)
                    for server in held_to:
                        send = LOADS[options.load]
                        found = send(partial(server.caller, example), concurrency, options.seconds)
                        findings.samples.append(
                            Sample(example.model, server.name, batched, concurrency, found, bound)
                        )
        ours = [server for server in servers if isinstance(server, contenders.Ours)]
        if options.wire and ours:
            findings.wire.append(serving_wire.measure(ours[0].port, limit))


def usable_peers(names: Sequence[str], path: Path | None) -> list[str]:
    """Returns the peers that are installed, and says which are not.

    Raises:
        SystemExit: An unknown name, or a folder of peers whose packages would take the place of other versions.
    """
    for name in names:
        if name not in PEERS:
            raise SystemExit(f"--peers={name}: expected some of {', '.join(PEERS)}")
    for name in SHADOWED if path else ():
        theirs, ours = version(name, path), metadata.version(name)
        if theirs not in (None, ours):
            raise SystemExit(f"{path} has {name} {theirs}, and {ours} is installed: install the same there")
    places = [*([str(path)] if path else []), *sys.path]
    found = [name for name in names if importlib.machinery.PathFinder.find_spec(name, places)]
    for name in names:
        if name not in found:
            print(f"{name} is not installed and left out (pip install --target DIR ..., --peers-path DIR)")
    return found


def version(package: str, path: Path | None) -> str | None:
    """Returns the version of a package in a folder, or of the one that is installed; None where there is none."""
    places = [str(path)] if path else sys.path
    return next((each.version for each in metadata.distributions(name=package, path=places)), None)


def show(table: Sequence[dict[str, Any]]) -> None:
    if not table:
        return
    shown = Table(*table[0])
    for row in table:
        shown.add_row(*map(str, row.values()))
    Console(width=200).print(shown)


if __name__ == "__main__":
    main()
