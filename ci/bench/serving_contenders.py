"""The servers that `ci.bench.serving` compares: how each is started, how it is asked, and what limit it is held to."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ci.bench.serving_load import Caller, GrpcCaller, HttpCaller, once
from ci.bench.serving_models import Example
from ci.bench.serving_processes import Process, free_port

BATCHING = """max_batch_size { value: 32 }
batch_timeout_micros { value: 0 }
num_batch_threads { value: 1 }
max_enqueued_batches { value: 100 }
"""
TRANSPORTS = ("grpcio", "ours")  # of `ci.bench.serving_echo`


@dataclass(frozen=True)
class Place:
    """Where servers run: the models' folder, a folder for logs and files, the cores, and the peers' packages."""

    models: Path
    scratch: Path
    cores: Sequence[int] = ()
    peers: Path | None = None


class Contender(ABC):
    """A server.

    Args:
        place: Where it runs.

    Attributes:
        name: In the table.
        settings: How it is set up, to be printed.
        batched: The in-process limit that it is held to is that of batches.
        once: It does the same for every network, and is measured with the first one only.
        start_seconds: It has so long to start.
        ready_lines: What it logs, and how often, when it is complete.
    """

    name: str
    settings: str
    batched = False
    once = False
    start_seconds = 120.0
    ready_lines = ("", 0)

    def __init__(self, place: Place) -> None:
        self.place, self.port = place, free_port()
        self._process: Process | None = None

    @abstractmethod
    def process(self) -> Process:
        """Returns the process to start."""

    def caller(self, example: Example) -> Caller:
        """Returns a connection that asks for an example."""
        return GrpcCaller(self.port, example.request())

    def check(self, example: Example) -> None:
        """Raises where the server does not answer an example, or answers it wrongly."""
        example.check(once(self.caller(example)), self.name)

    def check_complete(self) -> None:
        """Raises where not all of its processes have come up: the first one may answer long before the last."""
        text, count = self.ready_lines
        if self.log.read_text(errors="replace").count(text) < count:
            raise RuntimeError(f"not {count} times in the log: {text}")

    def start(self) -> None:
        """Starts it, and does not wait: several can start side by side."""
        self._process = self.process()
        self._process.start()

    def wait(self, examples: Sequence[Example]) -> None:
        """Waits until it answers every example rightly."""
        assert self._process is not None
        self._process.wait_until(self.check_complete, self.start_seconds)
        for example in examples:
            self._process.wait_until(lambda example=example: self.check(example), self.start_seconds)  # type: ignore[misc]

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.stop()

    @property
    def log(self) -> Path:
        """Where it writes."""
        return self.place.scratch / f"{self.name.replace(' ', '_')}.log"


@dataclass(frozen=True)
class Mode:
    """A way to run our server."""

    name: str
    flags: tuple[str, ...]
    batched: bool = False


MODES = (
    Mode("ours, 1 worker", ("--zoo_workers=1",)),
    Mode("ours, 2 workers", ("--zoo_workers=2",)),
    Mode("ours, batching", ("--zoo_workers=1", "--enable_batching"), batched=True),
)


class Ours(Contender):
    """Our server, by its command line."""

    ready_lines = ("Running gRPC ModelServer at", 1)

    def __init__(self, place: Place, mode: Mode) -> None:
        super().__init__(place)
        self.name, self.batched, self._flags = mode.name, mode.batched, list(mode.flags)
        self.settings = f"gRPC, {' '.join(mode.flags)}"
        if mode.batched:
            self.settings += f", {' '.join(BATCHING.split())}"

    def process(self) -> Process:
        """See `Contender.process`."""
        flags = [*self._flags, f"--port={self.port}", "--zoo_lame_duck_seconds=0", "--zoo_drain_seconds=2"]
        if self.batched:
            file = self.place.scratch / "batching.config"
            file.write_text(BATCHING)
            flags.append(f"--batching_parameters_file={file}")
        command = [sys.executable, "-m", "serving.server", str(self.place.models), *flags]
        return Process(command, self.log, cores=self.place.cores)


class NoModel(Contender):
    """What a gRPC server takes by itself."""

    once = True

    def __init__(self, place: Place, transport: str) -> None:
        super().__init__(place)
        self.name, self._transport = f"{transport}, no model", transport
        self.settings = f"ci.bench.serving_echo, answers 40 bytes by the server of {transport}"

    def process(self) -> Process:
        """See `Contender.process`."""
        command = [sys.executable, "-m", "ci.bench.serving_echo", str(self.port), "40", self._transport]
        return Process(command, self.log, cores=self.place.cores)

    def check(self, example: Example) -> None:
        """See `Contender.check`."""
        once(self.caller(example))


class Ray(Contender):
    """Ray Serve with our application for it, a replica per core."""

    name = "Ray Serve"
    start_seconds = 300.0
    ready_lines = ("all replicas answer", 1)
    # https://docs.ray.io/en/latest/serve/advanced-guides/performance.html, "high throughput"
    environ = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"}

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._replicas = len(place.cores) or os.cpu_count() or 1
        variables = " ".join(f"{name}={value}" for name, value in self.environ.items())
        self.settings = (
            f"serving.ray_app through its gRPC ingress, {variables}, num_replicas={self._replicas} of one CPU, "
            "max_ongoing_requests=64, intra_op=1"
        )

    def process(self) -> Process:
        """See `Contender.process`."""
        arguments = [self.place.models, self.port, free_port(), self._replicas]
        command = [sys.executable, "-m", "ci.bench.serving_ray", *map(str, arguments)]
        environ = peers_environ(self.place.peers) | self.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
        return Process(command, self.log, environ=environ, cores=self.place.cores)


class Bento(Contender):
    """BentoML with raw bodies, a worker per core."""

    name = "BentoML"
    ready_lines = ("Service Benchmark initialized", os.cpu_count() or 1)

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.settings = (
            f"raw bodies to a mounted ASGI application, workers={os.cpu_count()} with 8 threads, intra_op=1, "
            "no access log"
        )

    def process(self) -> Process:
        """See `Contender.process`."""
        target = "ci.bench.serving_bento:Benchmark"
        command = [
            sys.executable,
            "-m",
            "bentoml",
            "serve",
            target,
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        environ = peers_environ(self.place.peers) | {
            "SERVING_BENCH_MODELS": str(self.place.models),
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(self.place.scratch / "bentoml"),
        }
        return Process(command, self.log, environ=environ, cores=self.place.cores)

    def caller(self, example: Example) -> Caller:
        """See `Contender.caller`."""
        return HttpCaller(self.port, f"/predict/{example.model}", example.image.tobytes())

    def check(self, example: Example) -> None:
        """See `Contender.check`."""
        scores = np.frombuffer(once(self.caller(example)), np.float32).reshape(example.golden.shape)
        example.check_scores(scores, self.name)


def peers_environ(peers: Path | None) -> dict[str, str]:
    """Returns the variable that makes a child find the packages of the peers, and this checkout before them."""
    paths = [str(Path.cwd()), *([str(peers)] if peers else [])]
    return {"PYTHONPATH": os.pathsep.join(paths)}
