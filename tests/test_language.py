"""The language model's experiment: calibration, planted outliers, a rounded cache, and every arm."""

import numpy as np
import pytest
import torch

from nncourse.experiments import block_file, language, language_arms, lm, subject
from nncourse.quantizers.vectors import quantize_vectors
from nncourse.zoo import language_model
from nncourse.zoo.transformer import Cache, Decoder, Form

FORM = Form(vocabulary=80, width=64, depth=2, heads=2, context=32)
CHANNELS = (3, 40)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Decoder(FORM).eval()


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(0).integers(0, 80, size=(12, 33))


@pytest.fixture(scope="module")
def tensors(model):
    return subject.tensors(model)


def test_calibration_sees_what_each_layer_reads(model, windows, tensors):
    inputs = language.calibrate(model, windows)
    assert list(inputs) == [
        f"blocks.{b}.{end}"
        for b in range(2)
        for end in ("attention.qkv", "attention.out", "perceptron.up", "perceptron.down")
    ]
    assert sorted(inputs) == sorted(language.layer_names(FORM))
    assert sorted(inputs) == sorted(language_arms.matrices(tensors))
    with torch.inference_mode():
        first = model.blocks[0].norm1(model.token(torch.from_numpy(windows[:, :-1])))
    x = first.reshape(-1, 64).double().numpy()
    read = inputs["blocks.0.attention.qkv"]
    np.testing.assert_allclose(read.gram, x.T @ x, rtol=1e-9)
    np.testing.assert_allclose(read.peaks, np.abs(x).max(axis=0))
    np.testing.assert_allclose(read.means, np.abs(x).mean(axis=0))


def test_planted_outliers_leave_every_logit_as_it_was_and_raise_the_peaks(model, windows, tensors):
    planted = subject.filled(model, language.with_outliers(tensors, FORM, channels=CHANNELS))
    tokens = torch.from_numpy(windows[:, :-1])
    with torch.inference_mode():
        assert torch.equal(planted(tokens), model(tokens))
    before, after = (language.calibrate(one, windows) for one in (model, planted))
    name = "blocks.1.perceptron.up"
    np.testing.assert_allclose(after[name].peaks[40] / before[name].peaks[40], 64)
    assert after[name].peak_ratio > 5 * before[name].peak_ratio


def test_folding_refuses_layers_that_read_no_normalization(tensors):
    with pytest.raises(ValueError, match="reads no normalization"):
        language.folded(tensors, {"blocks.0.attention.out": np.ones(64)})


@torch.inference_mode()
def test_rounding_all_keys_and_values_at_once_is_writing_a_rounded_cache_token_by_token(
    model, windows
):
    def rounder(x):
        return quantize_vectors(x, bits=3).values()

    rounded = language.with_rounded_cache(model, keys=rounder, values=rounder)
    tokens = torch.from_numpy(windows[:2, :20])
    cache = Cache()
    steps = torch.cat([rounded(tokens[:, t : t + 1], cache) for t in range(20)], dim=1)
    torch.testing.assert_close(steps, rounded(tokens), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(steps, model(tokens), atol=1e-3)


def test_window_losses_average_to_the_loss(model, windows):
    losses = language.window_losses(model, windows, batch=5)
    assert losses.shape == (12,)
    assert losses.mean() == pytest.approx(language_model.loss(model, windows), rel=1e-6)


def test_every_arm_stores_a_file_that_gives_back_a_model(model, windows, tensors):
    inputs = language.calibrate(model, windows)
    for arm in language_arms.plain_arms():
        data = block_file.store(arm.store(tensors, inputs))
        decoded = arm.run(subject.filled(model, block_file.restore(data)), tensors, inputs)
        assert np.isfinite(language.window_losses(decoded, windows)).all(), arm
        if arm.bits <= 4 and arm.method not in ("cache",):
            assert len(data) < tensors_bytes(tensors) / 2, arm


def tensors_bytes(tensors):
    return 2 * sum(value.size for value in tensors.values())


def test_eight_bits_change_the_logits_a_little(model, windows, tensors):
    inputs = language.calibrate(model, windows)
    tokens = torch.from_numpy(windows[:, :-1])
    for arm in language_arms.plain_arms():
        if arm.bits != 8:
            continue
        data = block_file.store(arm.store(tensors, inputs))
        decoded = arm.run(subject.filled(model, block_file.restore(data)), tensors, inputs)
        with torch.inference_mode():
            difference = (decoded(tokens) - model(tokens)).abs().max()
        assert 0 < difference < 0.2, arm


def test_feedback_and_scales_lower_the_error_of_the_outputs_they_were_calibrated_on(
    model, windows, tensors
):
    inputs = language.calibrate(model, windows)
    by_method = {}
    for arm in language_arms.plain_arms():
        if arm.bits == 3 and arm.granularity == "block of 32":
            restored = block_file.restore(block_file.store(arm.store(tensors, inputs)))
            error = 0.0
            for name in language.layer_names(FORM):
                if not name.endswith("qkv"):
                    continue
                # AWQ moves a factor between the norm and the matrix: compare what the pair computes.
                norm = name.replace("attention.qkv", "norm1.weight")
                factor = restored[norm] / tensors[norm]
                moved = restored[f"{name}.weight"] * factor - tensors[f"{name}.weight"]
                error += float(np.sum((moved @ inputs[name].gram) * moved))
            by_method[arm.method] = error
    assert by_method["gptq"] < 0.8 * by_method["nearest"]
    assert by_method["awq"] <= 1.01 * by_method["nearest"]


def test_smoothing_undoes_planted_outliers_whatever_their_size(model, windows, tensors):
    arm = next(arm for arm in language_arms.plain_arms() if arm.method == "smoothquant")
    outputs = []
    for own in (tensors, language.with_outliers(tensors, FORM, channels=CHANNELS)):
        whole = subject.filled(model, own)
        inputs = language.calibrate(whole, windows)
        data = block_file.store(arm.store(own, inputs))
        decoded = arm.run(subject.filled(model, block_file.restore(data)), own, inputs)
        with torch.inference_mode():
            outputs.append(decoded(torch.from_numpy(windows[:, :-1])))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-3, atol=1e-3)


def test_two_of_four_are_dropped_in_every_matrix(model, windows, tensors):
    inputs = language.calibrate(model, windows)
    for arm in language_arms.plain_arms():
        if arm.granularity == "2:4":
            restored = block_file.restore(block_file.store(arm.store(tensors, inputs)))
            for name in language.layer_names(FORM):
                fours = restored[f"{name}.weight"].reshape(-1, 4)
                assert (np.count_nonzero(fours, axis=1) <= 2).all(), (arm.method, name)


def test_calibration_texts_differ_by_seed_and_repeat():
    first, again, other = (lm.calibration_windows(seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.shape == (lm.CALIBRATION_WINDOWS, 129)


def test_rows_have_the_keys_of_the_experiment_and_the_quick_form_measures_a_part():
    quick = list(lm.measure(0, True))
    assert {row["method"] for row in quick} == {"float16", "nearest", "cache", "inputs"}
    keys = [tuple(row[key] for key in lm.EXPERIMENT.keys) for row in quick]
    assert len(set(keys)) == len(keys)
    by_measure = {row["measure"] for row in quick}
    assert {
        "loss",
        "excess",
        "excess_error",
        "stored_bytes",
        "cache_bytes",
        "latency_s",
    } <= by_measure
    whole = next(r for r in quick if r["method"] == "float16" and r["measure"] == "excess")
    assert whole["value"] == 0
