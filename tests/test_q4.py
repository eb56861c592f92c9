"""The measurement of claim Q4: its arms, the two errors it reports, and what it decodes."""

import numpy as np
import pytest

from nncourse.experiments import q4, subject


def test_every_arm_is_there_once_and_the_judged_ones_classify():
    arms = q4.arms()
    keys = {(arm.method, arm.granularity, arm.bits) for arm in arms}
    assert len(keys) == len(arms)
    classified = {(arm.method, arm.granularity, arm.bits) for arm in arms if arm.has_accuracy}
    for granularity in ("tensor", "channel"):
        for bits in (4, 3, 2):
            assert {(name, granularity, bits) for name in ("minmax", "mse", "kmeans")} <= classified
        assert ("kmeans 8-bit", granularity, 4) in classified
    assert ("fp32", "none", 32) in classified
    assert not any(bits > 4 for method, _, bits in classified if method != "fp32")


def test_the_two_errors_worked_by_hand():
    weight = np.array([[1.0, -0.2, 0.1, 0.0]], np.float32)
    restored = np.array([[1.0, 0.0, 0.19, 0.5]], np.float32)
    found = q4._errors({"w": weight, "bias": np.ones(3, np.float32)}, {"w": restored})
    # -0.2 became 0 and is lost; 0.1 moved by less than itself; a zero cannot be lost.
    assert found["lost_share"] == pytest.approx(1 / 3)
    noise = 0.2**2 + 0.09**2 + 0.5**2
    assert found["sqnr_db"] == pytest.approx(10 * np.log10(1.05 / noise), abs=1e-4)


def test_the_ratio_of_a_network_is_the_median_of_its_layers():
    weight = np.ones((2, 2), np.float32)
    layers = dict.fromkeys("abc", weight)
    restored = {"a": weight, "b": 0.9 * weight, "c": 0 * weight}
    found = q4._errors(layers, restored)
    assert found["sqnr_db"] == pytest.approx(20, abs=1e-4)
    assert found["lost_share"] == pytest.approx(1 / 3)


def test_weights_that_come_back_exactly_leave_no_noise():
    weight = {"w": np.ones((2, 2), np.float32)}
    assert q4._errors(weight, weight) == {"sqnr_db": np.inf, "lost_share": 0.0}


def test_every_arm_returns_all_tensors_of_the_network():
    model = subject.network("lenet-300-100", seed=0)
    tensors = subject.tensors(model)
    for arm in q4.arms():
        if arm.bits in (3, 4, 32):
            restored = arm.restore(arm.store(tensors))
            assert {name: value.shape for name, value in restored.items()} == {
                name: value.shape for name, value in tensors.items()
            }
            np.testing.assert_array_equal(restored["fc1.bias"], tensors["fc1.bias"])
            if arm.method != "fp32":
                assert np.unique(restored["fc1.weight"].ravel()[:64]).size <= 2**arm.bits


def test_prices_are_measured_once_and_not_by_network():
    rows = list(q4._lane_rows())
    assert {row["network"] for row in rows} == {"lane"}
    assert {row["measure"] for row in rows} == {"area_um2", "energy_pj"}
    price = {(r["method"], r["granularity"], r["bits"], r["measure"]): r["value"] for r in rows}
    assert len(price) == len(rows)
    assert price["kmeans", "own", 4, "area_um2"] > price["kmeans", "shared", 4, "area_um2"]
