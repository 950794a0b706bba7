"""Everything but the wire: models with their lifecycle, the calls on them, and what is counted of both."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serving.server import loader, warmup
from serving.server.batching import BatchingParameters, Observer, Scheduler, read_parameters
from serving.server.core import Core
from serving.server.errors import StartError, StatusError
from serving.server.flags import Flags
from serving.server.guard import Limits
from serving.server.inference import Inference
from serving.server.lifecycle import Lifecycle
from serving.server.loads import LoadPolicy
from serving.server.metrics import Metrics
from serving.server.models import Models
from serving.server.polling import Polling
from serving.server.predict import Predictor, Reply, never
from serving.server.version import Batching, Expired, Version

log = logging.getLogger(__name__)
PER_MODEL_BATCHING = "batching_params.pbtxt"


@dataclass
class Counted:
    """What is known of a request while it is answered."""

    api: str
    model: str = ""


class Engine:
    """The models of a server process, and the calls that every transport answers with them.

    Args:
        flags: How to load, batch and check.
        models: What to serve.
        clock: Seconds that only grow; times the retries of loads that failed.
    """

    def __init__(self, flags: Flags, models: Models, clock: Callable[[], float] = time.monotonic) -> None:
        self.flags, self._models = flags, models
        self.metrics = Metrics()
        self.core = Core()
        limits = Limits(flags.zoo_max_request_bytes, flags.zoo_max_pixels, flags.zoo_shape_check)
        self.predictor = Predictor(self.core, limits, self.metrics)
        self.inference = Inference(self.predictor, flags.enable_signature_method_name_check)
        self.lifecycle = Lifecycle(self.core, self._open, _load_policy(flags), clock)
        self._load_options = _load_options(flags)
        self._parameters = _batching_parameters(flags)
        self._scheduler = Scheduler(self._parameters) if flags.enable_batching else None
        self._polling = Polling(
            {
                self.look_for_models: models.poll_seconds(flags),
                self.look_for_versions: flags.file_system_poll_wait_seconds,
            }
        )
        self.on_poll: Callable[[], object] = never

    @property
    def largest_batch(self) -> int:
        """Most rows of a batch."""
        return self._parameters.max_batch_size

    def start(self) -> None:
        """Loads and warms everything, waiting for base paths that have no version yet; then follows changes.

        Raises:
            StartError: Nothing to serve, or a model that did not become available.
        """
        self.lifecycle.start(self._models.read())
        wait = self.flags.file_system_poll_wait_seconds
        while not self.lifecycle.ready():
            if wait <= 0:
                raise StartError(
                    "a model has no version, and --file_system_poll_wait_seconds says not to look again"
                )
            if self._polling.wait(wait):
                return
            if self._models.poll_seconds(self.flags) > 0:
                self.look_for_models()
            self.look_for_versions()
        self._polling.start()

    def stop(self) -> None:
        """Unloads everything; the transports have stopped before."""
        self._polling.stop()
        self.lifecycle.close(self.flags.zoo_drain_seconds)
        if self._scheduler is not None:
            self._scheduler.close()

    def predict(self, request: Any, expired: Expired = never) -> Reply:
        """See `Predictor.predict`."""
        return self.predictor.predict(request, expired)

    def measure(self, calls: int = 15) -> dict[str, float | None]:
        """Returns the median milliseconds of a call with one row, by model; None where no such call is known."""
        found: dict[str, float | None] = {}
        for name, numbers in self.core.available().items():
            version = self.core.versions(name)[numbers[-1]]
            call = warmup.single_call(version, self.predictor)
            if call is None:
                found[name] = None
                continue
            took = []
            for _ in range(calls):
                started = time.perf_counter()
                call()
                took.append(1000 * (time.perf_counter() - started))
            found[name] = statistics.median(took)
        return found

    @contextmanager
    def counted(self, api: str, entrypoint: str) -> Iterator[Counted]:
        """Counts one request and its time, also when it raises; the body fills in what it learns.

        Args:
            api: `Predict`, `Classify`, ...
            entrypoint: `GRPC` or `REST`.
        """
        request = Counted(api)
        started, status = time.perf_counter(), "OK"
        try:
            yield request
        except StatusError as error:
            status = error.code
            raise
        except Exception:
            status = "INTERNAL"
            raise
        finally:
            name = request.model if self.core.versions(request.model) else ""  # made-up names fill no memory
            micros = (time.perf_counter() - started) * 1e6
            self.metrics.add(":tensorflow:serving:request_count", name, status)
            self.metrics.observe(
                ":tensorflow:serving:request_latency", name, request.api, entrypoint, value=micros
            )
            if status != "OK":
                self.metrics.add(":zoo:refused_total", name, status)

    def look_for_versions(self) -> None:
        """Loads what is new in the file system, unloads what is gone."""
        self.lifecycle.poll()
        self._polled()

    def look_for_models(self) -> None:
        """Takes the list of models as it is now, if it has changed."""
        configs = self._models.changed()
        if configs is not None:
            self.lifecycle.follow(configs)
            self._polled()

    def _polled(self) -> None:
        for name in self.core.models():
            for number, version in self.core.versions(name).items():
                self.metrics.set(":zoo:model_version_state", name, str(number), value=int(version.state))
        self.on_poll()

    def _open(self, version: Version) -> None:
        """Loads and warms a version: what the lifecycle calls before it is AVAILABLE."""
        servable = loader.load(version.path, self._load_options)
        batching = None
        if self._scheduler is not None:
            observer = _Counting(self.metrics, version.model)
            batching = Batching(self._scheduler, self._parameters_of(version.path), observer)
        version.publish(servable, batching)
        if not self.flags.enable_model_warmup:
            return
        try:
            self._warm_up(version)
        except BaseException:
            version.unload()
            raise

    def _warm_up(self, version: Version) -> None:
        started, status, records = time.perf_counter(), "OK", 0
        times = max(1, self.flags.num_request_iterations_for_warmup)
        try:
            records = warmup.replay(version, self.predictor, self.inference, times)
        except StatusError as error:
            status = error.code
            raise
        finally:
            micros = (time.perf_counter() - started) * 1e6
            path = version.model  # the name and not the path: paths are no business of a reader
            self.metrics.observe(":tensorflow:serving:model_warmup_latency", path, status, value=micros)
            self.metrics.add(":tensorflow:serving:model_warmup_records_read", path, status, amount=records)

    def _parameters_of(self, path: Path) -> BatchingParameters:
        own = path / PER_MODEL_BATCHING
        if not (self.flags.enable_per_model_batching_parameters and own.is_file()):
            return self._parameters
        try:
            return read_parameters(own)
        except StartError as error:
            raise StatusError("INVALID_ARGUMENT", str(error)) from error


class _Counting(Observer):
    def __init__(self, metrics: Metrics, model: str) -> None:
        self._metrics, self._model = metrics, model

    def depth(self, tasks: int) -> None:
        self._metrics.set(":zoo:queue_depth", self._model, value=tasks)

    def batch(self, tasks: int, rows: int, size: int) -> None:
        self._metrics.observe(":zoo:batch_size", self._model, value=size)

    def dropped(self, tasks: int) -> None:
        self._metrics.add(":zoo:deadline_dropped_total", self._model, amount=tasks)


def _batching_parameters(flags: Flags) -> BatchingParameters:
    file = flags.batching_parameters_file
    parameters = read_parameters(Path(file)) if file else BatchingParameters()
    return replace(parameters, group_shapes=flags.zoo_group_shapes)


def _load_policy(flags: Flags) -> LoadPolicy:
    return LoadPolicy(
        retries=flags.max_num_load_retries,
        retry_seconds=max(0.0, flags.load_retry_interval_micros / 1e6),
        load_threads=flags.num_load_threads,
        unload_threads=flags.num_unload_threads,
        early_labels=flags.allow_version_labels_for_unavailable_models,
    )


def _load_options(flags: Flags) -> loader.LoadOptions:
    both = flags.tensorflow_session_parallelism
    return loader.LoadOptions(
        intra_op=flags.tensorflow_intra_op_parallelism or both,
        inter_op=flags.tensorflow_inter_op_parallelism or both,
        tags=tuple(flags.saved_model_tags),
        gpu_memory_fraction=flags.per_process_gpu_memory_fraction,
        untrusted=flags.zoo_untrusted,
        public_keys=flags.zoo_require_signature,
    )
