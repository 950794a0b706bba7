from __future__ import annotations

import pytest

from zoo.errors import DataError
from zoo.preprocessing.text import make_vocabulary, tokenize

CAPTIONS = ["A dog, a dog and a cat.", "The DOG's cat", "a cat", "dog !", ""]


def test_words_are_lower_case_and_keep_their_apostrophe():
    assert tokenize("The dog's 2 T-shirts, DON'T ask!") == ["the", "dog's", "t", "shirts", "don't", "ask"]


def test_a_quoted_word_loses_its_quotes_and_a_caption_without_letters_is_empty():
    assert tokenize("a 'stop' sign'") == ["a", "stop", "sign"]
    assert tokenize("42 !") == []


def test_words_are_counted_once_a_caption_and_sorted_by_use_then_name():
    # cat 3, a 2, dog 2, and 1, dog's 1, the 1
    assert make_vocabulary(CAPTIONS, 1) == ("cat", "a", "dog", "and", "dog's", "the")
    assert make_vocabulary(CAPTIONS, 2) == ("cat", "a", "dog")
    assert make_vocabulary(CAPTIONS, 3) == ("cat",)


def test_no_word_is_frequent_enough():
    with pytest.raises(DataError) as error:
        make_vocabulary(CAPTIONS, 4)
    assert str(error.value) == (
        "None of 6 words is used by 4 training captions.\nExpected: at least one\nFix: --set min_count=3"
    )
    with pytest.raises(DataError, match=r"None of 0 words is used by 1 training captions"):
        make_vocabulary(["12 !"], 1)
