"""The supervisor: starts workers, replaces those that die, and speaks to all of them at once."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from serving.server import metrics
from serving.server.errors import StartError, StatusError
from serving.server.flags import Flags
from serving.server.model_config import ModelConfig
from serving.server.signals import Signals
from serving.server.workers import child, plan
from serving.server.workers.peer import Lost, Peer

log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE, CALM_SECONDS = 0.5, 30.0, 60.0


@dataclass(frozen=True)
class Serving:
    """What runs: gRPC and REST ports (None: not served), the models, and how many workers."""

    port: int | None
    rest_port: int | None
    available: dict[str, list[int]]
    plan: plan.Plan


class Supervisor:
    """Keeps a number of workers running on one port.

    Args:
        flags: The command line.
        folder: Holds all models; None serves what the flags name.
        port: Of gRPC; 0 takes a free one, None none.
        rest_port: Of REST, likewise.
    """

    def __init__(self, flags: Flags, folder: Path | None, port: int | None, rest_port: int | None) -> None:
        self._flags, self._folder = flags, folder
        self._reserved = [_reserve(flags.zoo_host, wanted) for wanted in (port, rest_port)]
        self.port, self.rest_port = (held.getsockname()[1] if held else None for held in self._reserved)
        self._stopping = threading.Event()
        self._reloading = threading.Lock()
        self._configs: Sequence[ModelConfig] | None = None  # of the last reload
        self._workers: dict[int, _Running] = {}
        self._starting: set[subprocess.Popen[bytes]] = set()
        self._keepers: list[threading.Thread] = []

    def start(self) -> Serving:
        """Starts all workers; returns when every one answers.

        Raises:
            StartError: Of the first worker that could not start.
        """
        chosen = plan.given(self._flags) or self._measured()
        log.info("%d worker(s): %s", chosen.workers, chosen.reason)
        missing = [index for index in range(chosen.workers) if index not in self._workers]
        if missing:
            with ThreadPoolExecutor(len(missing)) as pool:
                list(pool.map(lambda index: self._launch(index, chosen.flags), missing))
        for index in range(chosen.workers):
            keeper = threading.Thread(target=self._keep, args=(index, chosen.flags), daemon=True)
            keeper.start()
            self._keepers.append(keeper)
        return Serving(self.port, self.rest_port, self._workers[0].available, chosen)

    def _measured(self) -> plan.Plan:
        """Asks a first worker what a call takes; it stays where the plan gives it no other flags."""
        flags = plan.single_threaded(self._flags)
        first = self._launch(0, flags)
        chosen = plan.measured(self._flags, first.peer.call("measure"))
        if chosen.flags != flags:
            del self._workers[0]
            first.end(0.0)
        return chosen

    def stop(self, lame_duck_seconds: float) -> None:
        """Drains all workers and ends them; one that has not started yet is killed."""
        self._stopping.set()
        for process in list(self._starting):
            process.kill()
        running = list(self._workers.values())
        if running:
            with ThreadPoolExecutor(len(running)) as pool:
                list(pool.map(lambda one: one.end(lame_duck_seconds, self._flags.zoo_drain_seconds), running))
        for keeper in self._keepers:
            keeper.join()
        for held in filter(None, self._reserved):
            held.close()

    def _keep(self, index: int, flags: Flags) -> None:
        """Starts a worker again whenever it dies, after a pause that grows while it dies at once."""
        pause = FIRST_PAUSE
        while True:
            running = self._workers[index]
            status = running.process.wait()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - running.since
            pause = FIRST_PAUSE if lived > CALM_SECONDS else min(2 * pause, LONGEST_PAUSE)
            log.error(
                "worker %d ended with status %d after %.0f s; again in %.1f s", index, status, lived, pause
            )
            while not self._stopping.wait(pause):
                try:
                    self._launch_again(index, flags)
                    break
                except (StartError, StatusError) as error:
                    pause = min(2 * pause, LONGEST_PAUSE)
                    if not self._stopping.is_set():
                        log.error("worker %d did not start: %s; again in %.1f s", index, error, pause)
            if self._stopping.is_set():
                self._workers[index].end(0.0)  # one that `stop` did not know of yet
                return

    def _launch_again(self, index: int, flags: Flags) -> None:
        """Starts a worker with the models of the last reload, or none."""
        started = self._launch(index, flags)
        if self._configs is not None:
            try:
                started.peer.call("reload", self._configs)
            except StatusError:
                started.end(0.0)
                raise

    def _launch(self, index: int, flags: Flags) -> _Running:
        if index:
            flags = replace(flags, grpc_socket_path="")  # a path has one owner
        ours, theirs = socket.socketpair()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
            child.DESCRIPTOR: str(theirs.fileno()),
        }
        command = [sys.executable, "-P", "-m", child.__package__]
        process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
        self._starting.add(process)
        theirs.close()
        connection = Connection(ours.detach())
        peer = Peer(connection, {"reload": self._reload, "snapshot": self._snapshot}, lost=lambda: None)
        running = _Running(process, peer, time.monotonic(), {})
        try:
            running.available = peer.call("start", flags, self._folder, self.port, self.rest_port)
        except BaseException as error:
            process.kill()
            status = process.wait()
            if isinstance(error, Lost):
                raise StartError(
                    f"a worker ended with status {status} at its start; its log says why"
                ) from error
            raise
        finally:
            self._starting.discard(process)
        self._workers[index] = running
        return running

    def _reload(self, configs: Sequence[ModelConfig]) -> None:
        """Reloads every worker, or none: those that did are taken back when another one refuses."""
        with self._reloading:
            workers = list(self._workers.values())
            former = [running.peer.call("configs") for running in workers]
            done = []
            try:
                for running, before in zip(workers, former, strict=True):
                    running.peer.call("reload", configs)
                    done.append((running, before))
            except StatusError:
                for running, before in done:
                    running.peer.call("reload", before)
                raise
            self._configs = configs

    def _snapshot(self) -> metrics.Snapshot:
        return metrics.summed(
            running.peer.call("snapshot", timeout=5.0) for running in list(self._workers.values())
        )


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    peer: Peer
    since: float
    available: dict[str, list[int]]

    def end(self, lame_duck_seconds: float, drain_seconds: float = 5.0) -> None:
        try:
            self.peer.call("drain", lame_duck_seconds, timeout=lame_duck_seconds + drain_seconds + 5.0)
            self.process.wait(5.0)
        except (Lost, TimeoutError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.peer.close()


def supervise(
    flags: Flags,
    folder: Path | None,
    *,
    port: int | None,
    rest_port: int | None,
    ready: Callable[[Serving], object] | None = None,
) -> None:
    """Serves in worker processes until SIGTERM or SIGINT, then drains; a second signal ends all at once.

    Args:
        flags: The command line.
        folder: Holds all models; None serves what the flags name.
        port: Of gRPC; 0 takes a free one, None none.
        rest_port: Of REST, likewise.
        ready: Called when all workers answer.

    Raises:
        StartError: A taken port, or a worker that could not start.
    """
    with Signals() as signals:
        supervisor = Supervisor(flags, folder, port, rest_port)
        try:
            serving = supervisor.start()
            if ready is not None:
                ready(serving)
            signals.wait()
        finally:
            supervisor.stop(flags.zoo_lame_duck_seconds if signals.came else 0.0)


def _reserve(host: str, port: int | None) -> socket.socket | None:
    """Holds a port for the workers, and finds out whether somebody else has it."""
    if port is None:
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if port:
            with socket.socket(family) as alone:  # without SO_REUSEPORT: fails where anyone listens
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((host.strip("[]"), port))
        held = socket.socket(family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host.strip("[]"), port))
    except OSError as error:
        raise StartError(
            f"cannot listen on {host}:{port}: is the port taken? ({error.strerror})\nFix: choose another port"
        ) from error
    return held
