"""What the three distillers minimise, by hand on matrices, and that they leave the teacher as it was."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.models.distillation.distillers import BlockDistiller, LogitDistiller, SteppingStones
from zoo.models.distillation.teacher import frozen
from zoo.surgery.features import with_feature
from zoo.surgery.partition import partition

LN3 = math.log(3)
EYE = np.eye(2)


def linear(kernel, name=None, outputs=lambda y: y):
    """x -> x @ kernel, and what `outputs` makes of it."""
    x = keras.Input((2,))
    layer = keras.layers.Dense(2, use_bias=False)
    model = keras.Model(x, outputs(layer(x)), name=name)
    layer.set_weights([np.asarray(kernel, "float32")])
    return model


def loss_of(learner, x, label=0):
    """The loss of a batch and the value of every metric."""
    x = np.asarray(x, "float32")
    targets = {"label": np.full(len(x), label, np.int32)}
    loss = learner.compute_loss(x, targets, learner(x, training=True))
    return float(loss), {metric.name: float(metric.result()) for metric in learner.metrics}


class TestLogitDistiller:
    x = np.array([[1.0, 0.0]])
    divergence = 16 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))

    def test_loss_by_hand(self):
        learner = LogitDistiller(
            linear(np.zeros((2, 2))), linear([[4 * LN3, 0], [0, 0]]), temperature=4.0, kd_weight=0.9
        )
        loss, metrics = loss_of(learner, self.x)
        assert loss == pytest.approx(0.1 * math.log(2) + 0.9 * self.divergence, rel=1e-5)
        assert metrics == {"accuracy": 1.0}

    def test_hint_by_hand(self):
        def hinted(kernel):
            return linear(kernel, outputs=lambda y: {"logits": y, "hint": y})

        learner = LogitDistiller(
            hinted(np.zeros((2, 2))),
            hinted([[4 * LN3, 0], [0, 0]]),
            temperature=4.0,
            kd_weight=1.0,
            hint_weight=100.0,
        )
        # (4 ln 3)^2 over two values of the map.
        expected = self.divergence + 100 * (4 * LN3) ** 2 / 2
        assert loss_of(learner, self.x)[0] == pytest.approx(expected, rel=1e-5)

    def test_no_gradient_reaches_the_teacher_even_where_it_could_train(self):
        teacher, student = linear([[4 * LN3, 0], [0, 0]]), linear(np.zeros((2, 2)))
        learner = LogitDistiller(student, teacher, temperature=4.0, kd_weight=0.9, hint_weight=0.0)
        x, y = tf.constant(self.x, tf.float32), {"label": tf.constant([0])}
        with tf.GradientTape() as tape:
            loss = learner.compute_loss(x, y, learner(x))
        taught, learned = tape.gradient(
            loss, [teacher.layers[1].kernel.value, student.layers[1].kernel.value]
        )
        assert taught is None
        # x has one 1: the kernel's first row gets 0.1 (softmax(z) - y) + 0.9 tau (p_s - p_t).
        expected = [0.1 * (0.5 - 1) + 0.9 * 4 * (0.5 - 0.75), 0.1 * 0.5 + 0.9 * 4 * (0.5 - 0.25)]
        np.testing.assert_allclose(learned, [expected, [0, 0]], atol=1e-6)


class TestBlockDistiller:
    x = np.array([[1.0, 2.0], [-3.0, 1.0], [0.5, -1.0]])

    @staticmethod
    def block(kernel):
        """The feature is before the activation, the output after it."""
        return linear(kernel, outputs=lambda y: {"feature": y, "output": keras.layers.ReLU()(y)})

    def learner(self, student, *, head=None, relative=True):
        teacher = [self.block(2 * EYE), self.block([[0, 1], [1, 0]]), self.block(EYE)]
        return BlockDistiller(teacher, [self.block(k) for k in student], head=head, relative=relative)

    def test_copies_of_the_teacher_have_no_error(self):
        learner = self.learner([2 * EYE, [[0, 1], [1, 0]], EYE], head=linear(3 * EYE))
        assert loss_of(learner, self.x) == (0.0, {"block_1": 0.0, "block_2": 0.0, "block_3": 0.0})

    @pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
    def test_every_block_eats_what_the_teacher_gives(self, relative):
        """Worked in numpy. The student's first block is zero: fed with it, the others would see nothing."""
        learner = self.learner([0 * EYE, EYE, 0.5 * EYE], relative=relative)
        a1 = 2 * self.x
        r1 = np.maximum(a1, 0)
        a2 = r1[:, ::-1]
        a3 = np.maximum(a2, 0)
        targets, imitations = [a1, a2, a3], [0 * a1, r1, 0.5 * a3]
        expected = [
            np.mean((s - t) ** 2) / (t.var() if relative else 1)
            for s, t in zip(imitations, targets, strict=True)
        ]
        loss, metrics = loss_of(learner, self.x)
        assert list(metrics.values()) == pytest.approx(expected, rel=1e-5)
        assert loss == pytest.approx(sum(expected), rel=1e-5)

    def test_with_a_head_the_last_error_is_that_of_the_logits(self):
        head = linear([[1, -1], [1, 1]])
        learner = self.learner([2 * EYE, [[0, 1], [1, 0]], 0.5 * EYE], head=head)
        a3 = np.maximum(2 * self.x, 0)[:, ::-1]
        logits = a3 @ [[1, -1], [1, 1]]
        expected = np.mean((0.5 * logits) ** 2) / logits.var()
        assert loss_of(learner, self.x)[1] == {
            "block_1": 0.0,
            "block_2": 0.0,
            "block_3": pytest.approx(expected, rel=1e-5),
        }

    def test_labels_are_not_looked_at(self):
        learner = self.learner([EYE, EYE, EYE])
        assert loss_of(learner, self.x, label=0)[0] == loss_of(learner, self.x, label=1)[0]


class TestSteppingStones:
    """All kernels are multiples of the identity: the logits are multiples of [ln 3, 0]."""

    x = np.array([[LN3, 0.0]])

    @pytest.mark.parametrize("kd_weight", [1.0, 0.25])
    def test_weights_halve_with_every_block_that_is_missing(self, kd_weight):
        teacher = [linear(k * EYE) for k in (2, 1, 1, 1)]  # three blocks and the head: z_t = 2 x
        student = [linear(k * EYE) for k in (1, 3, 0.5, 2)]
        learner = SteppingStones(teacher, student, temperature=1.0, kd_weight=kd_weight)
        # z_1 = x; z_2 = 3 x, through the teacher's head; z_3 = 3 x, through the student's.
        wanted = np.array([0.9, 0.1])
        said = [np.array([3, 1]) / 4, np.array([27, 1]) / 28, np.array([27, 1]) / 28]
        divergences = [float(np.sum(wanted * np.log(wanted / s))) for s in said]
        kd = divergences[0] / 4 + divergences[1] / 2 + divergences[2]
        expected = (1 - kd_weight) * -math.log(27 / 28) + kd_weight * kd
        loss, metrics = loss_of(learner, self.x)
        assert loss == pytest.approx(expected, rel=1e-5)
        assert metrics == {"accuracy": 1.0}

    def test_with_one_block_it_is_logit_distillation(self):
        teacher, student = [linear(2 * EYE), linear(EYE)], [linear(3 * EYE), linear(EYE)]
        stones = SteppingStones(teacher, student, temperature=4.0, kd_weight=0.9)
        whole = LogitDistiller(linear(3 * EYE), linear(2 * EYE), temperature=4.0, kd_weight=0.9)
        assert loss_of(stones, self.x)[0] == pytest.approx(loss_of(whole, self.x)[0], rel=1e-6)


def block_distiller(teacher, student):
    parts, own = partition(teacher, None), partition(student, None)
    blocks = [[with_feature(block, "pre_relu") for block in side.blocks] for side in (parts, own)]
    return BlockDistiller(*blocks, head=parts.head)


def logit_distiller(teacher, student):
    return LogitDistiller(student, teacher, temperature=4.0, kd_weight=0.9)


def stepping_stones(teacher, student):
    parts, own = partition(teacher, None), partition(student, None)
    return SteppingStones(
        [*parts.blocks, parts.head], [*own.blocks, own.head], temperature=4.0, kd_weight=0.9
    )


@pytest.mark.parametrize("make", [block_distiller, logit_distiller, stepping_stones])
def test_a_fit_trains_the_student_alone(make, make_classifier, toy_splits):
    """Not one bit of the teacher moves, batch-norm statistics included; of the student everything it trains does."""
    teacher, student = make_classifier(seed=1).network, make_classifier(seed=2).network
    before, start = teacher.get_weights(), student.get_weights()
    with frozen(teacher):
        learner = make(teacher, student)
        learner.compile(keras.optimizers.SGD(0.05))
        learner.fit(toy_splits.train.once(8), epochs=1, verbose=0, shuffle=False)
        trained = {id(variable) for variable in learner.trainable_variables}
    assert all(np.array_equal(a, b) for a, b in zip(before, teacher.get_weights(), strict=True))
    own = student.trainable_variables
    if make is block_distiller:
        own = [variable for variable in own if variable.path.startswith("block")]
        assert len(own) == 15
    assert trained == {id(variable) for variable in own}
    moved = {
        weight.path: not np.array_equal(old, weight.numpy())
        for old, weight in zip(start, student.weights, strict=True)
    }
    head = ("dense_1", "logits")
    assert {p for p, has in moved.items() if not has} == (
        {p for p in moved if p.startswith(head)} if make is block_distiller else set()
    )
    assert [layer.trainable for layer in teacher.layers] == [True] * len(teacher.layers)


def test_the_teacher_never_drops_out_and_never_trains():
    """In training mode its dropout would change the target at every step, and its batch norms would move."""

    def noisy(x):
        return keras.layers.BatchNormalization()(keras.layers.Dropout(0.5)(x))

    def noisy_block(x):
        return {"feature": noisy(x), "output": noisy(x)}

    def block(x):
        return {"feature": x, "output": x}

    x = np.random.default_rng(0).normal(size=(8, 2))
    ours, theirs = (lambda: linear(EYE)), (lambda: linear(2 * EYE, outputs=noisy))
    learners = [
        LogitDistiller(ours(), theirs(), temperature=2.0, kd_weight=0.9),
        SteppingStones(
            [theirs() for _ in range(3)], [ours() for _ in range(3)], temperature=2.0, kd_weight=0.9
        ),
        BlockDistiller(
            [linear(2 * EYE, outputs=noisy_block) for _ in range(2)],
            [linear(EYE, outputs=block) for _ in range(2)],
            head=theirs(),
        ),
    ]
    for learner in learners:
        before = [weight.numpy() for weight in learner.weights]
        assert len({loss_of(learner, x)[0] for _ in range(3)}) == 1, learner.name
        assert all(np.array_equal(a, b) for a, b in zip(before, learner.weights, strict=True)), learner.name
