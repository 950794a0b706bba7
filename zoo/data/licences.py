"""Terms of well-known data sets, by their own names. A model inherits those of the data it was trained on.

These are summaries with the page of the terms, not legal advice; the page decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class DataTerms:
    """On which terms a data set may be used.

    Attributes:
        names: What the set is called; case and punctuation do not matter.
        terms: A summary in one line.
        page: Where its authors state them; empty for what is drawn by mizoo itself.
        research_only: The authors restrict the use to research or other non-commercial purposes.
    """

    names: tuple[str, ...]
    terms: str
    page: str
    research_only: bool

    def __str__(self) -> str:
        return f"{self.terms} ({self.page})" if self.page else self.terms


_FLICKR = "photographs of Flickr users, given out for non-commercial research and education only"
_IMAGENET = "images of ImageNet, given out for non-commercial research and education only"
_CIFAR = "no licence is stated; drawn from the 80 Million Tiny Images, which their authors have withdrawn"

KNOWN = (
    DataTerms(("shapes",), "drawn by mizoo itself, without pictures of others: Apache-2.0", "", False),
    DataTerms(("flickr8k",), _FLICKR, "https://hockenmaier.cs.illinois.edu/8k-pictures.html", True),
    DataTerms(("flickr30k",), _FLICKR, "https://shannon.cs.illinois.edu/DenotationGraph/", True),
    DataTerms(
        (
            *("coco", "mscoco", "coco2014", "coco2017", "captions_train2014", "captions_train2017"),
            *("captions_val2014", "captions_val2014_subset", "captions_val2017", "train2014", "train2017"),
            *("val2014", "val2017"),
        ),
        "annotations CC BY 4.0; photographs of Flickr users, each on the terms of its owner",
        "https://cocodataset.org/#termsofuse",
        False,
    ),
    DataTerms(
        ("cifar10", "cifar-10-batches-py", "cifar-10-batches-bin"),
        _CIFAR,
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        False,
    ),
    DataTerms(
        ("cifar100", "cifar-100-python", "cifar-100-binary"),
        _CIFAR,
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        False,
    ),
    DataTerms(
        ("mnist",),
        "LeCun, Cortes and Burges; no licence on its page, commonly given as CC BY-SA 3.0",
        "http://yann.lecun.com/exdb/mnist/",
        False,
    ),
    DataTerms(("fashion-mnist",), "MIT", "https://github.com/zalandoresearch/fashion-mnist", False),
    DataTerms(
        ("caltech101", "101_ObjectCategories"),
        "CC BY 4.0",
        "https://data.caltech.edu/records/mzrjq-6wc02",
        False,
    ),
    DataTerms(("imagenet", "ilsvrc2012"), _IMAGENET, "https://image-net.org/download.php", True),
    DataTerms(("tiny-imagenet",), _IMAGENET, "https://image-net.org/download.php", True),
    DataTerms(
        ("places365", "places2"),
        "images given out for non-commercial research and education only",
        "http://places2.csail.mit.edu/download.html",
        True,
    ),
    DataTerms(
        ("bsds500", "bsds300"),
        "given out for non-commercial research and education only",
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds/",
        True,
    ),
    DataTerms(
        ("market1501",),
        "photographs of passers-by, given out for academic research",
        "https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html",
        True,
    ),
    DataTerms(
        ("viper",),
        "photographs of passers-by, given out for research",
        "https://vision.soe.ucsc.edu/node/178",
        True,
    ),
)


def data_terms(name: str) -> DataTerms | None:
    """Returns the terms of a data set, or None where nothing is known of it.

    A longer name that begins with that of a research-only set ("flickr8k-small") is taken for a part of it: a
    mark too many is corrected by a person, one too few is not noticed. Permissive terms need the whole name.

    Example:
        >>> data_terms("Market-1501").research_only
        True
    """
    wanted = _plain(name)
    for terms in KNOWN:
        if wanted in map(_plain, terms.names):
            return terms
    for terms in KNOWN:
        if terms.research_only and wanted.startswith(tuple(map(_plain, terms.names))):
            return terms
    return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
