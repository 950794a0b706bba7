"""Classify, Regress and MultiInference: tf.Examples in, labels with scores or numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.protocol import messages
from serving.protocol.signatures import DEFAULT_SIGNATURE
from serving.server.errors import StatusError, invalid
from serving.server.inference_results import (
    CLASSIFY,
    OUTPUTS,
    REGRESS,
    add_classifications,
    add_regressions,
    check_outputs,
)
from serving.server.predict import Predictor, Reply, never
from serving.server.version import Expired, Version

_KINDS = {CLASSIFY: "classification", REGRESS: "regression"}
_APIS = {CLASSIFY: "Classify", REGRESS: "Regress"}
_INPUT = "inputs"
EXAMPLE_COUNTS = ":tensorflow:serving:request_example_counts"
EXAMPLE_COUNT_TOTAL = ":tensorflow:serving:request_example_count_total"


class Inference:
    """Answers the calls that take tf.Examples.

    Args:
        predictor: Runs the signatures.
        check_method: Refuse signatures whose method name is that of another call.
    """

    def __init__(self, predictor: Predictor, check_method: bool = False) -> None:
        self._predictor, self._check_method = predictor, check_method

    def classify(self, request: Any, expired: Expired = never) -> Any:
        """Answers a ClassificationRequest with a ClassificationResponse.

        Raises:
            StatusError: With TF Serving's codes and texts.
        """
        _require_spec(request)
        with self._predictor.core.use(request.model_spec) as version:
            return self.classify_with(version, request, expired)

    def classify_with(self, version: Version, request: Any, expired: Expired = never) -> Any:
        """As `classify`, with this version whatever the request names."""
        reply = self._run(version, request, CLASSIFY, request.input, expired)
        response = messages.ClassificationResponse(model_spec=reply.model_spec())
        add_classifications(reply.outputs, response.result)
        return response

    def regress(self, request: Any, expired: Expired = never) -> Any:
        """Answers a RegressionRequest with a RegressionResponse; raises as `classify`."""
        _require_spec(request)
        with self._predictor.core.use(request.model_spec) as version:
            return self.regress_with(version, request, expired)

    def regress_with(self, version: Version, request: Any, expired: Expired = never) -> Any:
        """As `regress`, with this version whatever the request names."""
        reply = self._run(version, request, REGRESS, request.input, expired)
        response = messages.RegressionResponse(model_spec=reply.model_spec())
        add_regressions(reply.outputs, response.result)
        return response

    def multi_inference(self, request: Any, expired: Expired = never) -> Any:
        """Answers a MultiInferenceRequest: several signatures of one version on the same Examples.

        The first task says which version; raises as `classify`.
        """
        spec = request.tasks[0].model_spec if request.tasks else messages.ModelSpec()
        with self._predictor.core.use(spec) as version:
            return self.multi_inference_with(version, request, expired)

    def multi_inference_with(self, version: Version, request: Any, expired: Expired = never) -> Any:
        """As `multi_inference`, with this version whatever the request names."""
        seen: set[str] = set()
        for task in request.tasks:
            if not task.model_spec.name:
                raise invalid("Found ModelSpec with an empty model name.")
            if task.model_spec.name != request.tasks[0].model_spec.name:
                raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
            name = task.model_spec.signature_name or DEFAULT_SIGNATURE
            if name in seen:
                raise invalid(f"Duplicate evaluation of signature: {name}")
            seen.add(name)
            if name not in version.servable.signatures:
                raise invalid(f"Requested signature not found in model graph: {name}")
            if task.method_name not in _KINDS:
                raise StatusError("UNIMPLEMENTED", f"Unsupported signature method_name: {task.method_name}")
            self._declared(version, name, task.method_name)
        response = messages.MultiInferenceResponse()
        for task in request.tasks:
            reply = self._run(version, task, task.method_name, request.input, expired)
            result = response.results.add(model_spec=reply.model_spec())
            if task.method_name == CLASSIFY:
                add_classifications(reply.outputs, result.classification_result)
            else:
                add_regressions(reply.outputs, result.regression_result)
        return response

    def _run(self, version: Version, call: Any, method: str, given: Any, expired: Expired) -> Reply:
        name = call.model_spec.signature_name or DEFAULT_SIGNATURE
        self._declared(version, name, method)
        rows = examples(given)
        used = [alias for alias in OUTPUTS[method] if alias in version.servable.signatures[name].outputs]
        reply = self._predictor.run(version, name, {_INPUT: rows}, used, expired, _APIS[method])
        self._predictor.metrics.observe(EXAMPLE_COUNTS, version.model, value=len(rows))
        self._predictor.metrics.add(EXAMPLE_COUNT_TOTAL, version.model, amount=len(rows))
        check_outputs(method, reply.outputs, len(rows))
        return reply

    def _declared(self, version: Version, name: str, method: str) -> None:
        """Refuses a signature that cannot be read as what it is called for."""
        signature, kind = version.servable.signatures.get(name), _KINDS[method]
        if signature is None:
            raise invalid(f"No signature was found with the name: {name}")
        if self._check_method and signature.method != method:
            raise invalid(f"Expected {kind} signature method_name to be {method}. Was: {signature.method}")
        outputs = signature.outputs
        if len(signature.inputs) != 1:
            raise invalid("Expected one input Tensor.")
        if method == REGRESS and len(outputs) != 1:
            raise invalid("Expected one output Tensor.")
        if len(outputs) not in (1, 2):
            raise invalid(f"Expected one or two output Tensors, found {len(outputs)}")
        if _INPUT not in signature.inputs:
            raise invalid(f"No {kind} inputs found in SignatureDef: {signature.takes()}")
        if method == REGRESS and not outputs.keys() & OUTPUTS[REGRESS]:
            raise invalid(f"No regression outputs found in SignatureDef: {signature.gives()}")
        if not outputs.keys() & OUTPUTS[method]:
            raise invalid(
                'Expected classification signature outputs to contain at least one of "classes" or "scores". '
                f"Signature was: {signature.gives()}"
            )


def examples(given: Any) -> np.ndarray:
    """Returns the Examples of an Input, serialised, as an object array `[examples]`.

    A context is put before each as bytes: parsed, the features of both are there.

    Raises:
        StatusError: There are none.
    """
    kind = given.WhichOneof("kind")
    if kind == "example_list_with_context":
        listed, context = given.example_list_with_context, given.example_list_with_context.context
        head = context.SerializeToString()
    else:
        listed, head = given.example_list, b""
    rows = [head + example.SerializeToString() for example in listed.examples]
    if not rows:
        raise invalid("Input is empty.")
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def _require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
