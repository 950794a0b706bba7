"""The one table of models: name -> ModelSpec. Imports nothing heavy.

Packages outside this repository add theirs by an entry point of the group `mizoo.models` that resolves to a
`ModelSpec`; a name that is already taken is refused.
"""

from __future__ import annotations

from functools import cache

from zoo.errors import ConfigError, nearest
from zoo.spec import ModelSpec, Result

_TAGGING_REPORT = "report 'Automatic assignment of multiple tags and their importance to images'"


def _tagging(name: str, recipe: str, summary: str, section: str, mse: str, mae: str) -> ModelSpec:
    data, command = "Flickr8k test, 80 tags", "python -m ci.bench.tagging --data DIR --weights DIR --seeds 3"
    return ModelSpec(
        name=name,
        recipe=f"zoo.models.tagging.recipe:{recipe}",
        summary=summary,
        source=f"{_TAGGING_REPORT}, {section}",
        inputs="image_bytes: JPEG, PNG, GIF or BMP file content, string [N]",
        outputs="tags, probability, importance: [N, 20], best first",
        results=(
            Result("importance MSE", mse, data, command, ".0553, per-tag mean"),
            Result("importance MAE", mae, data, command, ".1726, per-tag median"),
        ),
    )


_SPACE_REPORT = "report 'Learning and using integrated spaces' (in Japanese)"


def _embedding(name: str, recipe: str, summary: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        recipe=f"zoo.models.visual_semantic.recipe:{recipe}",
        summary=summary,
        source=f"{_SPACE_REPORT}, part 2; Kiros et al. 2014, arXiv:1411.2539; Faghri et al. 2018, arXiv:1707.05612",
        inputs="image_bytes: JPEG, PNG, GIF or BMP file content, string [N]; text: string [N]",
        outputs="embedding: float32 [N, d], of length 1",
    )


def _classifier(name: str, recipe: str, summary: str, section: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        recipe=f"zoo.models.distillation.recipe:{recipe}",
        summary=summary,
        source=f"{_SPACE_REPORT}, {section}; Hinton et al. 2015, arXiv:1503.02531",
        inputs="image_bytes: JPEG, PNG, GIF or BMP file content, string [N]",
        outputs="labels, scores: [N, 5], best first; probabilities: [N, classes]",
    )


_CAPTION_REPORT = "report 'toward conditional image captioning with GANs' (in Japanese)"


def _captioner(name: str, recipe: str, summary: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        recipe=f"zoo.models.captioning.{recipe}",
        summary=summary,
        source=f"{_CAPTION_REPORT}; Haidar et al. 2019, arXiv:1810.06640; Chen et al. 2016, arXiv:1606.03657",
        inputs="image_bytes: JPEG, PNG, GIF or BMP file content, string [N]; code: float32 [N, 3]",
        outputs="caption: string [N]; token_ids: int32 [N, T]; log_prob: float32 [N]",
    )


_FUSION_REPORT = "KAKENHI report 17K20008 'fusing CNNs trained on different data' (in Japanese)"


def _fusion(name: str, recipe: str, summary: str, source: str, outputs: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        recipe=f"zoo.models.fusion.{recipe}",
        summary=summary,
        source=f"{_FUSION_REPORT}, {source}",
        inputs="image_bytes: JPEG, PNG, GIF or BMP file content, string [N]",
        outputs=outputs,
    )


_MODELS = (
    _tagging(
        "tagging_baseline",
        "BaselineRecipe",
        "Tags; the tag's probability stands in for its importance",
        "section 3",
        mse=".1126",
        mae=".2580",
    ),
    _tagging(
        "tagging_two_head",
        "TwoHeadRecipe",
        "Tags and their importance from two heads trained together",
        "section 4.1 (Model 1)",
        mse=".0508",
        mae=".1732",
    ),
    _tagging(
        "tagging_word_vectors",
        "WordVectorsRecipe",
        "Importance from the picture and the word vectors of its tags",
        "section 4.2 (Model 2)",
        mse=".0517",
        mae=".1814",
    ),
    _tagging(
        "tagging_binomial",
        "BinomialRecipe",
        "How many of n captions mention each tag, as a distribution",
        "section 5.1 for the targets; the model is ours",
        mse=".0500",
        mae=".1596",
    ),
    _embedding(
        "vse_lstm",
        "LstmRecipe",
        "Pictures and sentences in one space; sentences read by an LSTM",
    ),
    _embedding(
        "vse_bow",
        "BowRecipe",
        "Pictures and sentences in one space; sentences as sums of their words",
    ),
    _classifier(
        "vgg15",
        "Vgg15Recipe",
        "Classifier with 13 convolutions in five blocks; the teacher",
        "part 3",
    ),
    _classifier(
        "vgg15_minus_one",
        "MinusOneRecipe",
        "vgg15 with one convolution less in every block, distilled block-wise or whole",
        "part 3, experiment 1",
    ),
    _classifier(
        "vgg15_one_per_block",
        "OnePerBlockRecipe",
        "vgg15 with one convolution in every block, distilled block-wise or whole",
        "part 3, experiment 2",
    ),
    _classifier(
        "distilled",
        "DistilledRecipe",
        "Shallower student of any Keras CNN, made and distilled block by block",
        "part 3",
    ),
    _captioner(
        "caption_gan_digits",
        "recipe:DigitsRecipe",
        "A word for a picture of several digits, chosen by a code that is learned without labels",
    ),
    _captioner(
        "caption_gan",
        "captions_recipe:CaptionsRecipe",
        "A caption for a photograph, varied by a code that is learned without labels",
    ),
    _fusion(
        "layer_concat_svm",
        "recipe:LayerConcatRecipe",
        "A linear classifier on pooled layers of one or two frozen networks",
        "Table 1 and Fig. 1; orthonormal class vectors: MIRU 2021",
        "label: [N]; labels, scores: [N, classes], best first",
    ),
    _fusion(
        "mpn_cbp",
        "recipe:MpnCbpRecipe",
        "A linear classifier on the second-order statistics of one or two frozen networks' channels",
        "Table 2; Gao et al. 2016, Compact bilinear pooling; Gou et al. 2018, MoNet",
        "label: [N]; labels, scores: [N, classes], best first",
    ),
    _fusion(
        "scene_network",
        "scene_recipe:SceneRecipe",
        "A second network, tuned to words for places: for fusing with one of objects",
        "where networks trained on Places stand; this one is ours",
        "labels, scores: [N, words], the likeliest first",
    ),
)


@cache
def catalogue() -> dict[str, ModelSpec]:
    """Returns all models, ours first, then those of installed third parties."""
    from importlib.metadata import entry_points  # half of the time that `import zoo` would take

    models = {spec.name: spec for spec in _MODELS}
    for entry in entry_points(group="mizoo.models"):
        spec = entry.load()
        if not isinstance(spec, ModelSpec) or spec.name in models:
            raise ConfigError(
                f"The entry point '{entry.name}' of package '{entry.dist and entry.dist.name}' gives {spec!r}.",
                expected=f"a zoo.spec.ModelSpec with a name other than {', '.join(models)}",
                fix="correct or uninstall that package",
            )
        models[spec.name] = spec
    return models


def get_spec(name: str) -> ModelSpec:
    """Returns the catalogue entry of a model.

    Raises:
        ConfigError: There is no such model; names the nearest one.
    """
    models = catalogue()
    if name not in models:
        raise ConfigError(
            f"There is no model '{name}'.{nearest(name, models)}",
            expected=f"one of {', '.join(models)}",
            fix="run `mizoo list` to see the models with their summaries",
        )
    return models[name]
