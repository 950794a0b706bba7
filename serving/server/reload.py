"""HandleReloadConfigRequest: gated, since whoever may call it decides which programs the server runs."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from serving.protocol import messages
from serving.server.errors import StatusError, invalid
from serving.server.flags import Flags
from serving.server.metrics import Metrics
from serving.server.model_config import ModelConfig, parse_model_config

log = logging.getLogger(__name__)
_LOCAL = ("unix:", "ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D")


class Caller(Protocol):
    """Who asks, as gRPC's ServicerContext tells it."""

    def peer(self) -> str:
        """Returns `ipv4:HOST:PORT`, `ipv6:[HOST]:PORT` or `unix:`."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """Returns the header fields of the call."""


class Reload:
    """Answers reload requests of callers who may make them.

    Args:
        flags: `zoo_reload` says who may: nobody, callers on this machine, or those with the token.
        configs: Returns the models of now.
        apply: Takes the new ones, or raises StatusError and changes nothing.
        metrics: Their counts are what a request can ask the increase of.
    """

    def __init__(
        self,
        flags: Flags,
        configs: Callable[[], Sequence[ModelConfig]],
        apply: Callable[[Sequence[ModelConfig]], object],
        metrics: Metrics,
    ) -> None:
        self._flags, self._configs, self._apply, self._metrics = flags, configs, apply, metrics

    def answer(self, request: Any, context: Caller) -> Any:
        """Replaces the models, and returns a ReloadConfigResponse; the outcome is in its status as well.

        Raises:
            StatusError: The caller may not, the config is wrong, or a model of it did not become available.
        """
        self._authorise(context)
        kind = request.config.WhichOneof("config")
        if kind != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        before = {name: self._metrics.total(name) for name in request.metric_names}
        configs = parse_model_config(request.config, self._configs())
        self._check_roots(configs)
        self._apply(configs)
        response = messages.ReloadConfigResponse()
        response.status.SetInParent()
        for name, value in before.items():
            response.metric.add(name=name, int64_value_increase=int(self._metrics.total(name) - value))
        log.info("models reloaded by %s: %s", context.peer(), ", ".join(config.name for config in configs))
        return response

    def _authorise(self, context: Caller) -> None:
        allowed = self._flags.zoo_reload
        if allowed == "local" and context.peer().startswith(_LOCAL):
            return
        if allowed == "token":
            sent = dict(context.invocation_metadata()).get("authorization", "")
            if hmac.compare_digest(str(sent).encode(), f"Bearer {self._flags.zoo_reload_token}".encode()):
                return
            raise StatusError("UNAUTHENTICATED", "reloading needs the metadata `authorization: Bearer TOKEN`")
        raise StatusError(
            "PERMISSION_DENIED",
            "this server does not take reloads from callers on other machines"
            if allowed == "local"
            else "this server does not take reloads; it is started with --zoo_reload=local or token for that",
        )

    def _check_roots(self, configs: Sequence[ModelConfig]) -> None:
        for config in configs:
            resolved = config.base_path.resolve()
            if not any(_inside(resolved, root) for root in self._flags.zoo_model_roots):
                raise StatusError(
                    "PERMISSION_DENIED",
                    f"the base path of model {config.name} is outside of --zoo_model_roots",
                )


def _inside(path: Path, root: Path) -> bool:
    return path.is_relative_to(root.resolve())
