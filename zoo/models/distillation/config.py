"""Settings of the classifiers and of their distillation. `mizoo show NAME` prints them with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.checks import check_fraction
from zoo.config import setting
from zoo.errors import ConfigError
from zoo.preprocessing.scaling_modes import SCALING_MODES
from zoo.recipe import FitConfig

STRATEGIES = ("scratch", "whole", "blockwise", "stepping_stones")
FEATURES = ("pre_relu", "pre_pool", "output")


@dataclass(frozen=True)
class ClassifierConfig(FitConfig):
    """Data, training and distillation, whatever the network."""

    image_size: int | None = setting(None, "side of the square picture in pixels; none = that of the data")
    subset: int | None = setting(
        None, "train on so many pictures, as even in the classes as possible; none = all"
    )
    validation_fraction: float = setting(0.1, "share of the training pictures kept for validation")
    test_fraction: float = setting(0.2, "share for testing, where the data have no test part")
    split_seed: int = setting(0, "of the validation split and of the subset")
    augmentation: str = setting(
        "crop_flip", "pad by 4 and crop, and flip half of the pictures", choices=("crop_flip", "crop", "none")
    )

    strategy: str = setting(
        "scratch",
        "scratch: labels alone; whole: the teacher's logits; blockwise: every block imitates the teacher's, then "
        "whole; stepping_stones: student blocks followed by the teacher's (Block-KD)",
        choices=STRATEGIES,
    )
    teacher: str | None = setting(
        None, "run folder or .keras file; for whole also a SavedModel: store:NAME, URL or folder", path=True
    )
    at: tuple[str, ...] = setting(
        (), "layers of the teacher after which to cut; none = as it was made, or where the resolution changes"
    )
    scaling: str = setting(
        "none", "what a .keras file of a teacher expects of its pixels", choices=SCALING_MODES
    )
    start: str = setting(
        "random",
        "weights of the student: random (of a given student: those in its file), or those of the teacher's layers "
        "that have the same name and shape",
        choices=("random", "teacher"),
    )
    temperature: float = setting(4.0, "softens the logits of teacher and student")
    kd_weight: float = setting(0.9, "of the teacher's logits; that of the labels is 1 less it")
    hint_weight: float = setting(0.0, "for whole: of the squared error at the middle block (FitNet: 100)")

    feature: str = setting(
        "pre_relu",
        "what a block imitates: its map before the last activation, pool, or its output",
        choices=FEATURES,
    )
    relative_error: bool = setting(True, "divide the error of a block by the variance of its target")
    last_block: str = setting(
        "logits", "what the last block imitates, through the teacher's head", choices=("logits", "feature")
    )
    block_epochs: int = setting(60, "for blockwise: epochs before the blocks are joined")
    block_learning_rate: float = setting(1e-3, "of Adam, while the blocks are apart; falls to 0 by a cosine")
    recalibrate: bool = setting(
        True, "after joining, take batch-norm statistics anew from the student's own maps"
    )
    fine_tune_rate: float = setting(
        0.1,
        "for blockwise: share of learning_rate that joined blocks begin with; 1 where the epochs are few",
    )

    epochs: int = setting(240, "of the whole network; for blockwise those after joining")
    batch_size: int = setting(64, "pictures per step")
    learning_rate: float = setting(0.05, "of SGD")
    momentum: float = setting(0.9, "of SGD")
    nesterov: bool = setting(False, "of SGD")
    weight_decay: float = setting(5e-4, "as a gradient, the sense of PyTorch's SGD")
    schedule: str = setting(
        "steps", "of the learning rate: steps at decay_at, or cosine to 0", choices=("steps", "cosine")
    )
    warmup_epochs: int = setting(
        0,
        "first epochs, over which the learning rate rises step by step; not of blocks and their fine-tuning",
    )
    decay_at: tuple[float, ...] = setting(
        (0.625, 0.75, 0.875), "shares of the epochs after which the rate falls"
    )
    decay_factor: float = setting(0.1, "by which it falls")
    patience: int | None = setting(
        None,
        "stop after so many epochs without a better validation loss and keep the best; none = keep the last",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that contradict each other."""
        super().__post_init__()
        self.check_positive(
            "image_size", "subset", "temperature", "block_epochs", "block_learning_rate", "fine_tune_rate"
        )
        for name in ("validation_fraction", "test_fraction", "momentum"):
            check_fraction(getattr(self, name), name)
        if not 0 <= self.kd_weight <= 1:
            raise ConfigError(
                f"kd_weight is {self.kd_weight}.", expected="0 .. 1", fix="set kd_weight to such a number"
            )
        for name in ("hint_weight", "weight_decay", "warmup_epochs"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}.",
                    expected="0 or more",
                    fix=f"set {name} to such a number",
                )
        if any(not 0 < share < 1 for share in self.decay_at):
            raise ConfigError(
                f"decay_at is {self.decay_at}.",
                expected="shares between 0 and 1",
                fix="e.g. 0.625,0.75,0.875",
            )
        if self.strategy != "scratch" and self.teacher is None:
            raise ConfigError(
                f"strategy is {self.strategy}, and there is no teacher.",
                fix="set teacher=RUN, or strategy=scratch",
            )
        if self.hint_weight and self.strategy != "whole":
            raise ConfigError(
                f"hint_weight is {self.hint_weight}, and strategy is {self.strategy}.",
                expected="strategy=whole, which alone compares hints",
                fix="set strategy=whole, or leave hint_weight out",
            )
        if self.at and self.teacher is None:
            raise ConfigError(
                f"at is {','.join(self.at)}, and there is no teacher to cut.",
                fix="set teacher=RUN or FILE.keras",
            )
        if self.start == "teacher" and self.teacher is None:
            raise ConfigError("start is teacher, and there is no teacher.", fix="set teacher=RUN")


@dataclass(frozen=True)
class VggConfig(ClassifierConfig):
    """Of the three VGGs."""

    width: float = setting(1.0, "factor of the channels 64, 128, 256, 512, 512")
    batch_norm: bool = setting(True, "after every convolution")
    pools: int = setting(5, "a picture of 32x32 ends at 1x1 with 5, at 4x4 with 3", choices=(3, 5))
    head_width: int = setting(512, "units of the first dense layer (VGG16: 4096)")
    dropout: float = setting(0.5, "between the dense layers")

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that no network can have."""
        super().__post_init__()
        self.check_positive("width", "head_width")
        check_fraction(self.dropout, "dropout")


@dataclass(frozen=True)
class DistilledConfig(ClassifierConfig):
    """Of a student that is derived from any teacher."""

    drop: int = setting(1, "convolutions that every block loses, as far as it has one more")
    student: str | None = setting(
        None,
        ".keras file of a student whose blocks fit the teacher's; none = the teacher less `drop`",
        path=True,
    )
    student_at: tuple[str, ...] = setting(
        (), "layers of that file after which to cut; none = where the resolution changes"
    )

    def __post_init__(self) -> None:
        """Raises ConfigError without a teacher, from which the student is made, and on a student twice over."""
        super().__post_init__()
        self.check_positive("drop")
        if self.teacher is None:
            raise ConfigError(
                "There is no teacher to make a student from.", fix="set teacher=RUN or teacher=FILE.keras"
            )
        if self.student_at and self.student is None:
            raise ConfigError(
                f"student_at is {self.student_at}, and there is no student to cut.",
                fix="set student=FILE.keras, or leave student_at out",
            )
        if self.student is not None and self.drop != type(self).drop:
            raise ConfigError(
                f"drop is {self.drop}, and student is {self.student}: a given student loses no convolutions.",
                expected="one of the two",
                fix="leave drop out, or leave student out",
            )


_REPDISTILLER = {
    "learning_rate": 0.05,
    "batch_size": 64,
    "epochs": 240,
    "schedule": "steps",
    "decay_at": (0.625, 0.75, 0.875),
    "decay_factor": 0.1,
    "nesterov": False,
}
PRESETS: dict[str, dict[str, Any]] = {
    "repdistiller": _REPDISTILLER,
    "weiaicunzai": {
        "learning_rate": 0.1,
        "batch_size": 128,
        "epochs": 200,
        "schedule": "steps",
        "decay_at": (0.3, 0.6, 0.8),
        "decay_factor": 0.2,
        "nesterov": True,
        "warmup_epochs": 1,
    },
    # Two cores: minutes a training.
    "cpu": {
        "subset": 10_000,
        "epochs": 15,
        "block_epochs": 5,
        "schedule": "cosine",
        "learning_rate": 0.01,
        # Of 100 classes one teacher of three died in its first epoch without.
        "warmup_epochs": 1,
        # A tenth gets nowhere in three epochs: 2 to 8 points less, see the card.
        "fine_tune_rate": 1.0,
    },
}
VGG_PRESETS: dict[str, dict[str, Any]] = PRESETS | {
    # The report names no number but its accuracy. 63.0 % suggests a VGG without batch normalisation, which does
    # not start at a rate of 0.05; 0.01 is that of the VGG paper.
    "seed": _REPDISTILLER | {"batch_norm": False, "learning_rate": 0.01},
    "cpu": PRESETS["cpu"] | {"width": 0.25, "head_width": 128},
}
