"""Generator, discriminator and recovery network as one model with one loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from zoo.losses.adversarial import (
    discriminator_loss,
    distance_from_unit_norm,
    generator_loss,
    input_gradient,
    squared_norm,
)
from zoo.losses.reduction import batch_mean, rows, share_of_replica
from zoo.models.captioning.autoencoder import SentenceAutoencoder
from zoo.models.captioning.checks import (
    LOOKED_AT,
    check_captions,
    check_encoders,
    check_inputs,
    check_networks,
    fits,
)
from zoo.models.captioning.sentence_writer import drawn_captions

_PLAYERS = ("generator", "discriminator", "recovery")
_PARTS = (*_PLAYERS, "autoencoder", "image_encoder", "backbone")
_OWN = ("objective", "code_weight", "code_noise", "real_noise", "penalty", "name")
_METRICS = (
    "generator_loss",
    "discriminator_loss",
    "discriminator_accuracy",
    "gradient_penalty",
    "recovery_error",
)


@keras.saving.register_keras_serializable("mizoo")
class CaptionTrio(keras.Model):
    """G makes a sentence from a picture and a code c, D tells it from real ones, Q reads c back (report, eq. 4-6).

        min_{G,Q} max_D  L_adv(G, D) + lambda_I L_I(G, Q),   L_I = E_c |c - Q(G(c, X) + noise, X)|^2

    One `compute_loss` adds up the losses of all three, and yet each gets its own gradient alone: D sees generated
    sentences through a stop_gradient, and G learns from D through a copy of it whose weights are stopped. The sum
    is no measure of progress, and neither is L_I: look at decoded captions.

    Input of `fit`: what becomes X, see `condition`; c is drawn anew from N(0, I) in every step. Outside of training c
    is given by name, `{"features": X, "code": c}`; left out, it is 0, the likeliest code.

    Outputs: `sentence`, s^, float32 `[batch, sentence_size]`, on the scale of `SentenceAutoencoder.encode`, and
    `code`, the c that it was made from, float32 `[batch, code_size]`.

    Target of `fit`: right captions of each picture, of which one is drawn in every step, each as likely: `tokens`,
    int32 `[batch, captions, words]`, or `sentences`, float32 `[batch, captions, sentence_size]`, their codes made
    once by `SentenceAutoencoder.codes`. The second axis is left out where a row has one caption.

    Args:
        generator: `[X, c]` -> s^; see `zoo.models.captioning.networks`.
        discriminator: `[s, X]` -> logit.
        recovery: `[s, X]` -> c.
        autoencoder: Trained; it is frozen here.
        image_encoder: Picture, or what the backbone makes of it -> X, trained; it is frozen here. None: X is what the
            backbone makes of it, or is always given.
        backbone: Picture -> what goes into the image encoder; frozen. None: that is given.
        objective: "vanilla", "wgan_gp" or "relativistic".
        code_weight: lambda_I.
        code_noise: Standard deviation of the noise on Q's input, without which G hides c in offsets too small to
            change a word; in units of `reach`.
        real_noise: Of the noise on real sentences; in units of `reach`.
        penalty: Weight of (|grad|-1)^2 for wgan_gp, of R1 + R2 for relativistic (gamma / 2). Gradients are taken by
            s alone, per `reach`: a penalty on X too would punish D for looking at the picture.
        name: Of the model.

    Raises:
        ConfigError: The networks do not fit each other.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        recovery: keras.Model,
        autoencoder: SentenceAutoencoder,
        *,
        image_encoder: keras.Model | None = None,
        backbone: keras.Model | None = None,
        objective: str = "relativistic",
        code_weight: float = 0.1,
        code_noise: float = 1.0,
        real_noise: float = 0.1,
        penalty: float = 0.15,
        name: str = "caption_gan",
    ) -> None:
        super().__init__(name=name)
        self.generator, self.discriminator, self.recovery = generator, discriminator, recovery
        self.autoencoder, self.image_encoder, self.backbone = autoencoder, image_encoder, backbone
        for frozen in (autoencoder, image_encoder, backbone):
            if frozen is not None:
                frozen.trainable = False
        self.objective, self.code_weight, self.penalty = objective, code_weight, penalty
        self.code_noise, self.real_noise = code_noise, real_noise
        self.seed_generator = keras.random.SeedGenerator()
        self.means = {key: keras.metrics.Mean(name=key) for key in _METRICS}
        check_networks({key: getattr(self, key) for key in _PLAYERS}, autoencoder.sentence_size)
        check_encoders(self.encoders, int(generator.input_shape[0][-1]))
        self.built = True

    @property
    def reach(self) -> float:
        """Half the distance of two sentences, as it is on average where s has variance 1 in every dimension.

        Noise and slopes are measured by it, so that their settings mean the same for every length of s.
        """
        return math.sqrt(self.autoencoder.sentence_size / 2)

    @property
    def picture_encoder(self) -> keras.Model | None:
        """The network that pictures go into first; None for a trio that knows no pictures."""
        return next((network for network in self.encoders if len(network.input_shape) == 4), None)

    @property
    def encoders(self) -> list[keras.Model]:
        """From a picture to X, in their order."""
        return [network for network in (self.backbone, self.image_encoder) if network is not None]

    @property
    def code_size(self) -> int:
        """Length of c."""
        return int(self.recovery.output_shape[-1])

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns `call` of these inputs.

        Raises:
            DataError: No picture, no features, or a code of another length.
        """
        check_inputs(
            inputs,
            feature_size=int(self.generator.input_shape[0][-1]),
            code_size=self.code_size,
            taken=[network.input_shape for network in self.encoders],
        )
        return super().__call__(inputs, training=training)

    def call(self, inputs: Any, training: bool = False) -> dict[str, Any]:
        """Returns `sentence` and `code`."""
        features = self.condition(inputs)
        code = inputs.get("code") if isinstance(inputs, Mapping) else None
        if code is None:
            size = (ops.shape(features)[0], self.code_size)
            code = ops.zeros(size, dtype="float32")
            if training:
                code = keras.random.normal(size, dtype="float32", seed=self.seed_generator)
        return {"sentence": self.generator([features, code], training=training), "code": code}

    def condition(self, inputs: Any) -> Any:
        """Returns X, `[batch, F]`.

        Args:
            inputs: X itself by the name of `features`; a picture, `image`; or `pooled`, what the backbone makes of it.
                A tensor without a name is told by its shape.
        """
        if isinstance(inputs, Mapping):
            inputs = next(inputs[key] for key in LOOKED_AT if key in inputs)
        x = ops.convert_to_tensor(inputs)
        for network in self.encoders:
            if fits(x.shape, network.input_shape):
                x = network(x, training=False)
        return x

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the sum of the three players' losses over a batch, each with a gradient for its player only."""
        del training
        features, fake, code = self.condition(x), y_pred["sentence"], y_pred["code"]
        real = self._noisy(self._drawn_sentence(y), self.real_noise)

        logits, penalty = self._judged(real, ops.stop_gradient(fake), features)
        real_logit, fake_logit = ops.split(logits, 2)
        d_loss = discriminator_loss(self.objective, real_logit, fake_logit) + self.penalty * penalty

        # What D says of s^ to G: its weights are stopped, and the gradient by its input is not.
        stopped = [
            ops.stop_gradient(ops.convert_to_tensor(v)) for v in self.discriminator.trainable_variables
        ]
        others = self.discriminator.non_trainable_variables
        seen_by_g = self.discriminator.stateless_call(stopped, others, [fake, features])[0]
        g_loss = generator_loss(self.objective, ops.stop_gradient(real_logit), seen_by_g)

        recovered = self.recovery([self._noisy(fake, self.code_noise), features])
        error = ops.sum(ops.square(code - recovered), axis=-1)

        ranked = ops.cast(real_logit[:, 0] > fake_logit[:, 0], "float32")
        for key, value in zip(_METRICS, (g_loss, d_loss, ranked, penalty, error), strict=True):
            self.means[key].update_state(batch_mean(value), sample_weight=rows(value))
        return share_of_replica(batch_mean(d_loss + g_loss + self.code_weight * error, sample_weight))

    def _judged(self, real: Any, fake: Any, features: Any) -> tuple[Any, Any]:
        """D's logits of real sentences followed by generated ones, and the penalty of every example."""
        # Examples do not depend on each other in D, so that one pass over twice as many is two passes.
        both = [ops.concatenate([real, fake]), ops.concatenate([features, features])]
        if self.objective == "relativistic":
            logits, gradient = input_gradient(self.discriminator, both, 0)
            r1, r2 = ops.split(squared_norm(gradient), 2)
            return logits, self.reach**2 * (r1 + r2)
        logits = self.discriminator(both)
        if self.objective == "vanilla":
            return logits, ops.zeros_like(logits[: ops.shape(real)[0], 0])
        share = keras.random.uniform((ops.shape(real)[0], 1), seed=self.seed_generator)
        between = share * real + (1.0 - share) * fake
        _, gradient = input_gradient(self.discriminator, [between, features], 0)
        return logits, distance_from_unit_norm(self.reach * gradient)

    def _noisy(self, sentence: Any, deviation: float) -> Any:
        if not deviation:
            return sentence
        noise = keras.random.normal(ops.shape(sentence), dtype="float32", seed=self.seed_generator)
        return sentence + deviation * self.reach * noise

    def _drawn_sentence(self, y: Mapping[str, Any]) -> Any:
        """s of one caption of each picture."""
        check_captions(y, self.autoencoder.sentence_size)
        ready = "sentences" in y
        captions = y["sentences" if ready else "tokens"]
        if len(captions.shape) == 3:
            captions = drawn_captions(captions, self.seed_generator)
        return captions if ready else ops.stop_gradient(self.autoencoder.encode(captions))

    def behind(self, backbone: keras.Model) -> CaptionTrio:
        """Returns the same networks behind the backbone whose features they were trained on."""
        networks = {part: getattr(self, part) for part in _PARTS} | {"backbone": backbone}
        return type(self)(**networks, **{key: getattr(self, key) for key in _OWN})

    def get_config(self) -> dict[str, Any]:
        """Every network with its own config, and the constructor's other arguments."""
        return {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in _PARTS} | {
            key: getattr(self, key) for key in _OWN
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> CaptionTrio:
        """Builds the networks, then the whole."""
        parts = {
            part: keras.saving.deserialize_keras_object(config[part], custom_objects=custom_objects)
            for part in _PARTS
        }
        return cls(**{**config, **parts})
