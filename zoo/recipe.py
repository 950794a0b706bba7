"""The contract that every model keeps: how it is fed, built, trained, measured and served."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.config import make_config, setting
from zoo.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    import keras

    from export.signatures import Signature
    from zoo.data.batches import Split, Splits
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run


@dataclass(frozen=True)
class FitConfig:
    """Settings that every recipe with gradient training has."""

    epochs: int = setting(50, "most epochs; training may stop earlier, see patience")
    batch_size: int = setting(32, "examples per step")
    learning_rate: float = setting(1e-4, "of Adam")
    patience: int | None = setting(
        5,
        "stop after so many epochs without a better validation loss and keep the best epoch; none = keep the last",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError on numbers that cannot be trained with."""
        self.check_positive("epochs", "batch_size", "learning_rate", "patience")

    def check_positive(self, *names: str) -> None:
        """Raises ConfigError unless settings are more than 0; those that are none or not there are left out."""
        for name in names:
            value = getattr(self, name, None)
            if value is not None and not value > 0:
                raise ConfigError(
                    f"{name} is {value}.", expected="more than 0", fix=f"set {name} to such a number"
                )


@dataclass(frozen=True)
class DataOptions:
    """How files are read; nothing here changes what is learned from good files.

    Attributes:
        skip_bad_images: Leave out pictures that cannot be used (counted and listed) instead of stopping.
        progress: Show progress bars.
        cache: Folder of the feature cache; None is the user's cache folder.
    """

    skip_bad_images: bool = False
    progress: bool = False
    cache: Path | None = None


class Recipe(ABC):
    """One model of the catalogue, from files on disk to the answers of a server.

    Attributes:
        name: As in the catalogue.
        Config: A frozen dataclass made of `setting` fields.
        presets: Named changes of the defaults; "seed" holds every setting of the report.
        data_settings: Settings that shape the arrays of `splits`, and so cannot change after `mizoo prepare`.
    """

    name: ClassVar[str]
    Config: ClassVar[type] = FitConfig
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    data_settings: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: Any) -> None:
        self.config = config

    @classmethod
    def configured(cls, preset: str | None = None, overrides: Mapping[str, Any] | None = None) -> Recipe:
        """Returns the recipe with its defaults, changed by a preset, changed by overrides."""
        return cls(make_config(cls.Config, cls.presets, preset, overrides or {}))

    @classmethod
    def create(cls, settings: Mapping[str, Any], preset: str | None = None) -> keras.Model:
        """Makes a compiled model from settings and from what the data would have told (`network`'s arguments)."""
        fields = {field.name for field in dataclasses.fields(cls.Config)}
        facts = {key: value for key, value in settings.items() if key not in fields}
        parameters = {k: v for k, v in inspect.signature(cls.network).parameters.items() if k != "self"}
        for key in facts:
            if key not in parameters:
                known = fields | parameters.keys()
                raise ConfigError(
                    f"{cls.name} has no setting '{key}'.{nearest(key, known)}",
                    expected=f"one of {', '.join(sorted(known))}",
                    fix=f"run `mizoo show {cls.name}` to see every setting with its meaning",
                )
        missing = [k for k, v in parameters.items() if v.default is v.empty and k not in facts]
        if missing:
            raise ConfigError(
                f"{cls.name} was made without {', '.join(missing)}, which data would have told.",
                fix=f"pass {missing[0]}=..., e.g. create_model('{cls.name}', tags=('dog', 'cat'))",
            )
        recipe = cls.configured(preset, {key: value for key, value in settings.items() if key in fields})
        model = recipe.network(**facts)
        recipe.compile(model)
        return model

    @classmethod
    def prepared(
        cls, made_with: Mapping[str, Any], preset: str | None, overrides: Mapping[str, Any]
    ) -> Recipe:
        """Returns the recipe for prepared arrays: training may be set anew, what shaped the arrays may not.

        Args:
            made_with: The config that the arrays were prepared with.
            preset: As in `configured`.
            overrides: As in `configured`.

        Raises:
            ConfigError: A setting that shaped the arrays is set to something else.
        """
        recipe = cls.configured(overrides=made_with)
        preset_settings = cls.presets.get(preset or "", {})
        # Checked as a whole: a setting that is asked for may need one that the arrays were prepared with.
        kept = {key: value for key, value in made_with.items() if key not in preset_settings}
        asked = cls.configured(preset, {**kept, **overrides})
        for key in {*preset_settings, *overrides} & cls.data_settings:
            before, after = getattr(recipe.config, key), getattr(asked.config, key)
            if after != before:
                raise ConfigError(
                    f"The arrays were prepared with {key}={before}, but {key}={after} is asked for.",
                    fix=f"leave {key} out, or run `mizoo prepare` again with --set {key}={after}",
                )
        return asked

    def check_facts(self, recorded: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Raises unless data tells the network what it told when the run was started."""
        for key, value in recorded.items():
            again = list(found[key]) if isinstance(found.get(key), tuple) else found.get(key)
            if again != value:
                raise DataError(
                    f"The data give another '{key}' than when the run was started.",
                    expected=f"{value!r:.200}",
                    fix="use the data, tag list and weights that the run's config.json names",
                )

    @classmethod
    @abstractmethod
    def register(cls) -> None:
        """Imports every module whose classes a `.keras` file of this model may hold; Keras does not do it."""

    @classmethod
    def names(cls) -> dict[str, list[str]]:
        """Returns what `mizoo show` lists beside the settings, e.g. the names of backbones."""
        return {}

    def build(self, splits: Splits) -> keras.Model:
        """Makes the compiled model that fits these splits."""
        model = self.network(**splits.facts)
        self.compile(model)
        return model

    def compile(self, model: keras.Model) -> None:
        """Gives the model its optimiser; its losses are its own."""
        import keras

        model.compile(optimizer=keras.optimizers.Adam(self.config.learning_rate))

    def fit(self, model: keras.Model, splits: Splits, run: Run, options: TrainingOptions) -> None:
        """Trains; resumes where the run was interrupted."""
        from zoo.training.fit import fit

        fit(model, splits, run, self.config, options)

    @abstractmethod
    def splits(self, data: str | Path, options: DataOptions) -> Splits:
        """Reads a data set on disk into numbers.

        Args:
            data: A folder or file in one of the formats of `zoo.data`, or the name of a generated data set.
            options: How files are read.
        """

    @abstractmethod
    def network(self, *args: Any, **facts: Any) -> keras.Model:
        """Builds the network, not compiled, from the config and from what the data tells.

        Every recipe declares the facts that it takes as keyword arguments.
        """

    @abstractmethod
    def evaluate(self, model: keras.Model, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
        """Measures the model on a split.

        Returns:
            Predictor -> metric -> value. The first row is "model"; the trivial predictors that it must beat follow,
            fitted on `splits.train`.
        """

    def figures(self, model: keras.Model, splits: Splits, split: Split, folder: Path) -> list[Path]:
        """Draws what people would rather look at than read; returns the files."""
        del model, splits, split, folder
        return []

    @abstractmethod
    def servable(self, model: keras.Model, facts: Mapping[str, Any]) -> keras.Model:
        """Returns the model that takes pictures, given the one that was trained (perhaps on cached features)."""

    @abstractmethod
    def signatures(self, model: keras.Model) -> list[Signature]:
        """Returns what TensorFlow Serving will answer; `model` is a `servable` one."""

    def index_signatures(self, model: keras.Model, index: Path, top: int) -> list[Signature]:
        """Returns the signatures of a SavedModel that carries an index of pictures; few models search one.

        Args:
            model: A `servable` one.
            index: Folder of the index.
            top: Results of each search.

        Raises:
            ConfigError: This model searches no index.
        """
        del model, index, top
        raise ConfigError(f"{self.name} searches no index.", fix="export it without --index")

    def input_contract(self, model: keras.Model) -> dict[str, Any]:
        """Returns how the exported graph treats its inputs, for clients and for the model store."""
        from zoo.preprocessing.image import INPUT_CONTRACT

        return INPUT_CONTRACT | {"image_size": model.input_shape[1]}
