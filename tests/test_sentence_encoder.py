"""MiniLM-L6 against vectors that its authors' own code gives, and the way it splits text."""

import numpy as np
import pytest

from nncourse.experiments import block_file, language_sentences
from nncourse.zoo import sentence_encoder
from nncourse.zoo.published import PublishedError, is_installed
from nncourse.zoo.sentence_encoder import embed, encoder_tensors, pieces, vocabulary


@pytest.fixture(scope="module")
def tensors(missing):
    if not is_installed("minilm-l6"):
        missing("the package with MiniLM's weights", "make book")
    return encoder_tensors()


def test_vectors_are_those_of_the_model_card(tensors):
    # First numbers of the two sentences of the model's card, as sentence-transformers prints them.
    found = embed(tensors, ["This is an example sentence", "Each sentence is converted"])
    expected = [[0.067657, 0.063496, 0.048713, 0.079305], [0.086439, 0.102763, 0.005395, 0.002044]]
    np.testing.assert_allclose(found[:, :4], expected, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_a_sentence_s_vector_does_not_depend_on_the_others_in_its_batch(tensors):
    sentences = ["Words, words, words.", "To be, or not to be, that is the question.", "Exeunt"]
    together, alone = embed(tensors, sentences), embed(tensors, sentences, batch=1)
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_text_is_split_as_bert_splits_it(tensors):
    known = vocabulary()
    by_number = {number: piece for piece, number in known.items()}

    def split(text):
        return [by_number[number] for number in pieces(text)]

    assert split("tokenization") == ["[CLS]", "token", "##ization", "[SEP]"]
    assert split("Naïve, is't?") == ["[CLS]", "naive", ",", "is", "'", "t", "?", "[SEP]"]
    assert split("a" * 101) == ["[CLS]", "[UNK]", "[SEP]"]
    assert split("") == ["[CLS]", "[SEP]"]


def test_what_each_layer_reads_can_be_seen_and_replaced(tensors):
    seen = {}

    def keep(name, x):
        seen[name] = x.shape
        return x

    sentences = ["To be", "or not to be at all"]
    same = embed(tensors, sentences, read=keep)
    np.testing.assert_allclose(same, embed(tensors, sentences), atol=1e-6)
    assert len(seen) == 36
    num_pieces = sum(len(pieces(sentence)) for sentence in sentences)
    assert seen["encoder.layer.5.output.dense"] == (num_pieces, 1536)
    zeroed = embed(tensors, sentences, read=lambda name, x: x * 0)
    assert not np.allclose(zeroed, same, atol=1e-2)


def test_a_damaged_vocabulary_is_named_with_the_command(monkeypatch, tensors):
    vocabulary.cache_clear()
    monkeypatch.setattr(sentence_encoder, "VOCABULARY_SHA256", "0" * 64)
    with pytest.raises(PublishedError, match="pip install"):
        vocabulary()
    vocabulary.cache_clear()


def test_agreement_falls_with_fewer_bits_and_files_shrink(tensors):
    sentences = language_sentences.lines("test")[:400:10]
    before = embed(tensors, sentences)
    found = []
    for bits in (8, 3):
        data = block_file.store(language_sentences.compressed(tensors, "nearest", bits, None))
        after = embed(block_file.restore(data), sentences)
        found.append((len(data), language_sentences.agreement(before, after)))
    (large, close), (small, far) = found
    assert large > small
    assert close["cosine"] > 0.99 > far["cosine"]
    assert close["rank_correlation"] > far["rank_correlation"]


def test_only_matrices_of_the_layers_are_quantized(tensors):
    stored = language_sentences.compressed(tensors, "nearest", 4, 32)
    changed = [name for name, value in stored.items() if isinstance(value, block_file.Blocks)]
    assert len(changed) == 36
    assert all(name.startswith("encoder.") for name in changed)
