"""What a student network is held to: the softened answers of its teacher, or the maps inside it."""

from __future__ import annotations

from typing import Any

from keras import ops

from zoo.checks import check_same_shape

_LEAST_VARIANCE = 1e-6


def softened_divergence(student_logits: Any, teacher_logits: Any, temperature: float) -> Any:
    """Returns tau^2 KL(softmax(z_t / tau) || softmax(z_s / tau)) of every example.

    Hinton, Vinyals and Dean 2015, arXiv:1503.02531, section 2; tau^2 keeps the size of the gradients when tau
    changes. Not `keras.distillation.LogitsDistillation`: with its default loss Keras 3.15 takes the divergence
    of raw logits, clipped to 1e-7..1, without softmax and without tau^2.

    Args:
        student_logits: float `[batch, classes]`.
        teacher_logits: float `[batch, classes]`; gradients flow into it unless the caller stops them.
        temperature: tau, more than 0.

    Returns:
        float `[batch]`, 0 where both say the same.
    """
    check_same_shape(teacher_logits, student_logits, names=("the teacher's logits", "the student's logits"))
    wanted = ops.log_softmax(teacher_logits / temperature, axis=-1)
    said = ops.log_softmax(student_logits / temperature, axis=-1)
    return temperature**2 * ops.sum(ops.exp(wanted) * (wanted - said), axis=-1)


def squared_error(imitation: Any, target: Any, *, relative: bool) -> Any:
    """Returns the mean squared error of every example, in units of the target's variance where `relative`.

    With it blocks weigh the same, whatever the size of their activations, and 1 is what a constant reaches.

    Args:
        imitation: float `[batch, ...]`.
        target: float `[batch, ...]`; its variance is taken over the whole batch.
        relative: Divide by that variance.

    Returns:
        float32 `[batch]`.
    """
    check_same_shape(target, imitation, names=("the teacher's map", "the student's map"))
    target, imitation = ops.cast(target, "float32"), ops.cast(imitation, "float32")
    error = ops.mean(ops.square(imitation - target), axis=tuple(range(1, len(target.shape))))
    return error / ops.maximum(ops.var(target), _LEAST_VARIANCE) if relative else error
