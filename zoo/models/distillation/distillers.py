"""What is trained while a teacher looks on: the student's variables alone, by one `compute_loss` each.

The teacher always runs as in inference: in training mode it would move its batch statistics, and the student would
chase them. None of these models is saved; the student that they train is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.losses.distillation import softened_divergence, squared_error
from zoo.losses.reduction import batch_mean, rows, share_of_replica
from zoo.models.distillation.classifier import cross_entropy, note_accuracy


class LogitDistiller(keras.Model):
    """The whole student learns from labels and from the teacher's logits (Hinton et al. 2015).

        L = (1 - w) CE(y, z_s) + w tau^2 KL(softmax(z_t / tau) || softmax(z_s / tau)) + h |m_s - m_t|^2

    with w and tau those of RepDistiller unless set otherwise (0.9, 4), and h = 100 for FitNet's hints (Romero et al.
    2015, arXiv:1412.6550), where the maps m are those at the end of a middle block.

    Args:
        student: Picture -> logits, or `{"logits", "hint"}`.
        teacher: Likewise.
        temperature: tau.
        kd_weight: w.
        hint_weight: h; 0 compares no maps.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Layer,
        *,
        temperature: float,
        kd_weight: float,
        hint_weight: float = 0.0,
    ) -> None:
        super().__init__(name="logit_distiller")
        self.student, self.teacher = student, teacher
        self.temperature, self.kd_weight, self.hint_weight = temperature, kd_weight, hint_weight
        self.accuracy = keras.metrics.Mean(name="accuracy")

    def call(self, image: Any, training: bool = False) -> dict[str, Any]:
        """Returns the student's outputs."""
        said = self.student(image, training=training)
        return said if isinstance(said, dict) else {"logits": said}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the scalar loss of a batch."""
        del training
        wanted = self.teacher(x, training=False)
        wanted = wanted if isinstance(wanted, dict) else {"logits": wanted}
        wanted = {name: ops.stop_gradient(tensor) for name, tensor in wanted.items()}
        logits = y_pred["logits"]
        note_accuracy(self.accuracy, y, logits)
        loss = (1 - self.kd_weight) * cross_entropy(y, logits)
        loss += self.kd_weight * softened_divergence(logits, wanted["logits"], self.temperature)
        if self.hint_weight:
            loss += self.hint_weight * squared_error(y_pred["hint"], wanted["hint"], relative=False)
        return share_of_replica(batch_mean(loss, sample_weight))


class BlockDistiller(keras.Model):
    """All blocks of the student at once, each fed with the teacher's maps (report, part 3).

        L = sum_i mean((S_i(a_{i-1}) - a_i)^2) / Var(a_i),   a_i = T_i(a_{i-1}),   a_0 the picture

    No block waits for another, and one pass of the teacher serves all. The report says "distillation" and no more:
    the squared error is our reading.

    Args:
        teacher: Blocks with outputs `feature` and `output`, see `zoo.surgery.features.with_feature`.
        student: Blocks of the same inputs and outputs.
        head: What follows the teacher's last block; the last error is then that of the logits. None: that of the
            last map.
        relative: Divide by the variance of the target.
    """

    def __init__(
        self,
        teacher: Sequence[keras.Model],
        student: Sequence[keras.Model],
        *,
        head: keras.Model | None,
        relative: bool = True,
    ) -> None:
        super().__init__(name="block_distiller")
        self.teacher_blocks, self.student_blocks = list(teacher), list(student)
        self.head, self.relative = head, relative
        self.errors = [keras.metrics.Mean(name=f"block_{i}") for i in range(1, len(self.student_blocks) + 1)]

    def call(self, image: Any, training: bool = False) -> list[tuple[Any, Any]]:
        """Returns (imitation, target) of every block."""
        pairs, x = [], image
        for teacher, student in zip(self.teacher_blocks, self.student_blocks, strict=True):
            target, imitation = teacher(x, training=False), student(x, training=training)
            pairs.append((imitation["feature"], ops.stop_gradient(target["feature"])))
            x = ops.stop_gradient(target["output"])
        if self.head is not None:
            logits = self.head(imitation["output"], training=False)
            pairs[-1] = (logits, ops.stop_gradient(self.head(x, training=False)))
        return pairs

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the sum of the blocks' errors over a batch; labels are not looked at."""
        del x, y, training
        total = 0.0
        for metric, (imitation, target) in zip(self.errors, y_pred, strict=True):
            error = squared_error(imitation, target, relative=self.relative)
            metric.update_state(batch_mean(error), sample_weight=rows(error))
            total = total + batch_mean(error, sample_weight)
        return share_of_replica(total)


class SteppingStones(keras.Model):
    """Nets of student blocks 1..i and teacher blocks i+1..n, all held to the teacher (Block-KD, arXiv:2411.01547).

        L = (1 - w) CE(y, z_n) + w sum_i tau^2 KL(z_t, z_i) / 2^(n - i)

    where z_i are the logits of the net whose first i blocks are the student's. n = i is the student alone, so that
    with one block this is `LogitDistiller`.

    Args:
        teacher: Blocks, then the head.
        student: Blocks, then the head.
        temperature: tau.
        kd_weight: w.
    """

    def __init__(
        self,
        teacher: Sequence[keras.Model],
        student: Sequence[keras.Model],
        *,
        temperature: float,
        kd_weight: float,
    ) -> None:
        super().__init__(name="stepping_stones")
        self.teacher_parts, self.student_parts = list(teacher), list(student)
        self.temperature, self.kd_weight = temperature, kd_weight
        self.accuracy = keras.metrics.Mean(name="accuracy")

    def call(self, image: Any, training: bool = False) -> list[Any]:
        """Returns the logits z_1 .. z_n; the last are the student's own."""
        logits, x = [], image
        *blocks, head = self.student_parts
        for done, block in enumerate(blocks, start=1):
            x = block(x, training=training)
            if done < len(blocks):
                logits.append(_run(self.teacher_parts[done:], x))
        return [*logits, head(x, training=training)]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the scalar loss of a batch."""
        del training
        wanted = ops.stop_gradient(_run(self.teacher_parts, x))
        note_accuracy(self.accuracy, y, y_pred[-1])
        loss = (1 - self.kd_weight) * cross_entropy(y, y_pred[-1])
        for missing, logits in enumerate(reversed(y_pred)):
            loss += self.kd_weight * softened_divergence(logits, wanted, self.temperature) / 2**missing
        return share_of_replica(batch_mean(loss, sample_weight))


def _run(parts: Sequence[keras.Model], x: Any) -> Any:
    for part in parts:
        x = part(x, training=False)
    return x
