"""The trio and the autoencoder under jax, with tensorflow blocked, against the backend of the tests."""

from __future__ import annotations

import numpy as np
import pytest

from tests.both_backends import values_of_both, write_values

OBJECTIVES = ("vanilla", "wgan_gp", "relativistic")


def values() -> dict[str, np.ndarray]:
    """Everything that is compared; the same code runs here and under jax."""
    import keras

    from zoo.losses.adversarial import input_gradient
    from zoo.models.captioning import networks
    from zoo.models.captioning.autoencoder import SentenceAutoencoder
    from zoo.models.captioning.config import CaptioningConfig
    from zoo.models.captioning.optimizer import trio_optimizer
    from zoo.models.captioning.trio import CaptionTrio

    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype("float32")

    features, code, real, size = draw(8, 6), draw(8, 3), draw(8, 4), {"width": 7, "layers": 2}
    model = CaptionTrio(
        networks.generator(6, 3, 4, **size),
        networks.discriminator(4, 6, **size),
        networks.recovery(4, 6, 3, **size),
        SentenceAutoencoder(vocabulary=("one", "two"), sentence_size=4, word_size=3, units=5),
        code_noise=0.0,
        real_noise=0.0,
    )
    for part in (model.generator, model.discriminator, model.recovery, model.autoencoder):
        part.set_weights([0.5 * draw(*weight.shape) for weight in part.get_weights()])
    model.autoencoder.standardize.set_weights([np.zeros(4), np.ones(4)])

    found: dict[str, object] = {}
    tensor = keras.ops.convert_to_tensor
    for objective in OBJECTIVES:  # the last is what is trained below
        config = CaptioningConfig(objective=objective, n_critic=4)
        model.objective, model.penalty = objective, config.penalty
        model.reset_metrics()
        made = model({"features": features, "code": code})
        # The same sentences on both sides: what lies between them for wgan_gp does not depend on what is drawn.
        target = made["sentence"] if objective == "wgan_gp" else tensor(real)
        loss = model.compute_loss(tensor(features), {"sentences": target}, made)
        found[f"loss/{objective}"] = loss
        found |= {f"loss/{objective}/{key}": metric.result() for key, metric in model.means.items()}
    given = [tensor(real), tensor(features)]
    for index in (0, 1):
        found[f"loss/input gradient {index}"] = input_gradient(model.discriminator, given, index)[1]

    tokens = np.array([[2, 4, 3, 0], [2, 5, 4, 3]], "int32")
    found["autoencoder/loss"] = model.autoencoder.compute_loss(
        tensor(tokens), y_pred=model.autoencoder(tensor(tokens))
    )
    found["autoencoder/codes"] = model.autoencoder.codes(tokens)
    written, found["autoencoder/log_prob"] = model.autoencoder.decode(real, 4)
    found["autoencoder/written"] = written

    # c is drawn otherwise under the other backend: what is compared are the steps of a critic whose G stands still.
    model.generator.get_layer("G_output").set_weights([np.zeros((7, 4)), np.ones(4)])
    before = model.recovery.get_weights()
    model.compile(trio_optimizer(config))
    model.fit(features, {"sentences": real}, batch_size=8, epochs=3, shuffle=False, verbose=0)
    found |= {f"fit/D{i}": weight for i, weight in enumerate(model.discriminator.get_weights())}
    found["fit/G"] = model.generator.get_weights()[-1]
    found["fit/Q moved"] = [(a != b).any() for a, b in zip(model.recovery.get_weights(), before, strict=True)]
    model.objective = "wgan_gp"
    model.compile(trio_optimizer(config))
    captions = np.tile(tokens, (8, 1, 1))
    model.fit(features, {"tokens": captions}, batch_size=8, epochs=2, verbose=0)
    found["fit/wgan_gp is finite"] = [np.isfinite(weight).all() for weight in model.get_weights()]
    return {name: np.asarray(value, "float64") for name, value in found.items()}


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return values_of_both(__file__, values, tmp_path_factory.mktemp("jax"))


@pytest.mark.parametrize("kind", ["loss", "autoencoder", "fit"])
def test_the_values_agree(both, kind):
    here, there = both
    assert here.keys() == there.keys()
    names = [name for name in here if name.startswith(kind)]
    assert len(names) >= 4
    for name in names:
        assert np.isfinite(here[name]).all(), name
        assert there[name] == pytest.approx(here[name], abs=2e-5, rel=2e-5), name


@pytest.mark.parametrize("backend", [0, 1], ids=["tensorflow", "jax"])
def test_the_critic_moved_alone(both, backend):
    found = both[backend]
    assert (found["fit/G"] == 1).all()
    assert found["fit/Q moved"].all()
    assert found["fit/wgan_gp is finite"].all()


if __name__ == "__main__":
    write_values(values)
