"""Terms of data sets by the names that people give their folders and files."""

from __future__ import annotations

import pytest

from zoo.data.licences import KNOWN, data_terms


@pytest.mark.parametrize(
    ("name", "research_only"),
    [
        ("flickr8k", True),
        ("Flickr_8k", True),
        ("flickr30k", True),
        ("flickr8k-small", True),
        ("Market-1501-v15.09.15", True),
        ("tiny-imagenet-200", True),
        ("tiny-imagenet-100-32", True),
        ("places365_standard", True),
        ("captions_val2017", False),
        ("coco", False),
        ("cifar10", False),
        ("CIFAR-100", False),
        ("mnist", False),
        ("shapes", False),
    ],
)
def test_known_names(name, research_only):
    terms = data_terms(name)
    assert terms is not None
    assert terms.research_only is research_only


@pytest.mark.parametrize("name", ["holiday photos", "shapes3d", "mnist-like", "cocoa", "my-flickr8k", ""])
def test_permissive_terms_need_the_whole_name(name):
    assert data_terms(name) is None


def test_a_name_stands_for_one_set():
    names = ["".join(c for c in name.lower() if c.isalnum()) for terms in KNOWN for name in terms.names]
    assert len(set(names)) == len(names)


def test_the_page_of_the_terms_is_named():
    for terms in KNOWN:
        assert terms.page.startswith("http") or terms.names == ("shapes",)
    assert str(data_terms("coco")).endswith("(https://cocodataset.org/#termsofuse)")
    assert str(data_terms("shapes")).endswith("Apache-2.0")
