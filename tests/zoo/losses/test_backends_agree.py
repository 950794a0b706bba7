"""Losses, layers and a short training under jax, with tensorflow blocked, against the backend of the tests."""

from __future__ import annotations

import numpy as np
import pytest

from tests.both_backends import values_of_both, write_values


def gradient(function, *arrays):
    """The gradients of the sum of a function's result, under either backend."""
    import keras

    tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(lambda *x: keras.ops.sum(function(*x)), argnums=tuple(range(len(tensors))))(*tensors)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = tf.reduce_sum(function(*tensors))
    return tape.gradient(total, tensors)


def values() -> dict[str, np.ndarray]:
    """Everything that is compared; the same code runs here and under jax."""
    import keras

    import zoo
    from zoo.data.batches import Split
    from zoo.layers.above_threshold import AboveThreshold
    from zoo.layers.mention_distribution import MentionDistribution, conditional_mean
    from zoo.layers.tag_word_vectors import TagWordVectors
    from zoo.losses import distillation
    from zoo.losses.beta_binomial import negative_log_likelihood, truncated_negative_log_likelihood
    from zoo.losses.importance import masked_squared_error, squared_error
    from zoo.losses.tags import asymmetric, binary_crossentropy

    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.uniform(0.02, 0.98, shape).astype("float32")

    captions = rng.integers(1, 8, (6, 1)).astype("float32")
    mentions = rng.integers(0, captions + 1, (6, 5)).astype("float32")
    present, share = (mentions > 0).astype("float32"), mentions / captions
    mean, rho, probability = draw(6, 5), draw(6, 5), draw(6, 5)
    edge = np.array([[0, 1e-20, 1e-7, 0.5, 1]] * 6, "float32")
    found: dict[str, object] = {}
    for loss, target in (
        (binary_crossentropy, present),
        (asymmetric, present),
        (squared_error, share),
        (masked_squared_error, share),
    ):
        found[loss.__name__] = loss(target, probability)
        found[f"{loss.__name__}/gradient"] = gradient(lambda q, f=loss, t=target: f(t, q), probability)[0]
    for loss in (negative_log_likelihood, truncated_negative_log_likelihood):
        found[loss.__name__] = loss(mentions, captions, mean, rho)
        slopes = gradient(lambda m, r, f=loss: f(mentions, captions, m, r), mean, rho)
        found[f"{loss.__name__}/gradients"] = np.stack([np.asarray(slope) for slope in slopes])
        slopes = gradient(lambda m, r, f=loss: f(mentions, captions, m, r), edge, rho)
        found[f"{loss.__name__}/finite at the edge"] = np.stack([np.isfinite(slope) for slope in slopes])
    taught, learned = 9 * draw(6, 5), 9 * draw(6, 5)
    for name, loss in (
        ("softened_divergence", lambda s, t: distillation.softened_divergence(s, t, 4.0)),
        ("block_error", lambda s, t: distillation.squared_error(s, t, relative=True)),
    ):
        found[name] = loss(learned, taught)
        found[f"{name}/gradients"] = np.stack([np.asarray(g) for g in gradient(loss, learned, taught)])
    mention = MentionDistribution(5)(mean, rho)
    found |= {"mention": mention, "conditional mean": conditional_mean(mention)}
    found["hurdle"] = MentionDistribution(5)(mean, rho, probability)
    words = TagWordVectors(4)
    words.build((None, 5))
    words.set_vectors(draw(5, 4) - 0.5)
    weights = AboveThreshold()(probability) * np.array([[0]] + [[1]] * 5, "float32")  # the first has no tags
    found |= {"words": words(weights), "words/gradient": gradient(words, np.asarray(weights))[0]}

    model = zoo.create_model("tagging_two_head", tags=tuple("abcde"), feature_size=3, hidden=4, dropout=0.0)
    model.set_weights([0.5 * rng.normal(size=weight.shape) for weight in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.5))
    split = Split(
        {"features": rng.normal(size=(6, 3)).astype("float32")},
        {"mentions": mentions, "captions": captions},
        tuple("123456"),
    )
    # Two batches an epoch, the second of two rows; three epochs in the order of (seed, epoch).
    batches = split.epochs(4, seed=1)
    history = model.fit(batches, epochs=3, steps_per_epoch=split.steps(4), shuffle=False, verbose=0).history
    found["fit/loss"] = history["loss"]
    found |= {f"fit/{i}": weight for i, weight in enumerate(model.get_weights())}
    found["predict"] = model.predict(split.once(4), verbose=0)["probability"]
    return {name: np.asarray(value, "float64") for name, value in found.items()}


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return values_of_both(__file__, values, tmp_path_factory.mktemp("jax"))


def test_the_same_values_are_there(both):
    here, there = both
    assert here.keys() == there.keys()
    assert len(here) > 25


@pytest.mark.parametrize("kind", ["loss", "layer", "training"])
def test_the_values_agree(both, kind):
    here, there = both
    for name in here:
        group = "training" if name.startswith(("fit", "predict")) else "loss" if "_" in name else "layer"
        if group == kind:
            assert np.isfinite(here[name]).all(), name
            if name.endswith("finite at the edge"):
                assert here[name].all(), name
            assert there[name] == pytest.approx(here[name], abs=1e-5, rel=1e-5), name


def test_the_training_learned_something(both):
    assert both[0]["fit/loss"][-1] < both[0]["fit/loss"][0]


if __name__ == "__main__":
    write_values(values)
