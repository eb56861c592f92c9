"""The rules of claims P1 to P4 on planted tables whose verdicts are known."""

import pandas as pd
import pytest

from nncourse.claims import judge, lock_step, operations, redundancy, shapes

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
DENSITIES = (0.5, 0.2, 0.1)


def p1_table(iterative=None, by_lot=5.0, noise=STEADY, networks=("lenet-5", "lenet-300-100")):
    """Rows of P1; ``iterative`` is the loss in points by density."""
    lost = dict.fromkeys(DENSITIES, 0.0) | (iterative or {})
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            common = {"seed": seed, "network": network, "data": "mnist"}
            for arm in ("before", "control"):
                rows.append(common | _row(arm, 1.0, 1000, 0.0))
            for density, loss in lost.items():
                size = round(1000 * density)
                rows.append(common | _row("iterative", density, size, loss + shift))
                rows.append(common | _row("random", density, size, loss + by_lot - shift))
    return pd.DataFrame(rows)


def _row(arm, density, size, loss):
    return {"arm": arm, "density": density, "stored_bytes": size, "accuracy": 0.99 - loss / 100}


def test_p1_holds_where_half_can_go_and_lots_lose_more():
    found = judge("P1", p1_table())
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 2.0, 2.0, 5)
    assert "lenet-5 10.0 times fewer weights (loss 0.00 points; by lot 5.00)" in found.software
    assert "lenet-5 10.00" in found.hardware


def test_p1_flips_with_its_table():
    found = judge("P1", p1_table(dict.fromkeys(DENSITIES, 4.0)))
    assert (found.verdict, found.statistic) == ("does not hold here", 0.0)


def test_p1_takes_the_smallest_density_without_a_gap_above_it():
    found = redundancy.redundancies(p1_table({0.2: 3.0}))
    assert [one.density for one in found] == [0.5, 0.5]
    found = redundancy.redundancies(p1_table({0.1: 3.0}))
    assert [one.density for one in found] == [0.2, 0.2]


def test_p1_names_networks_that_have_nothing_to_spare_and_lots_that_do_as_well():
    table = p1_table()
    lean = (table["network"] == "lenet-5") & (table["arm"] == "iterative")
    table.loc[lean, "accuracy"] -= 0.04
    found = judge("P1", table)
    assert found.verdict == "holds with conditions"
    assert "lenet-5 (+4.00 points)" in found.reason
    found = judge("P1", p1_table(by_lot=0.0))
    assert found.verdict == "holds with conditions"
    assert "Drawing lots does as well there" in found.reason


def test_p1_decides_nothing_on_few_seeds_or_wide_intervals():
    assert judge("P1", p1_table(noise=STEADY[:4])).verdict == "undecided"
    assert judge("P1", p1_table(noise=NOISY)).verdict == "undecided"


def test_p1_measures_against_the_control_and_tells_of_missing_arms():
    table = p1_table()
    table.loc[table["arm"] == "before", "accuracy"] = 0.2
    assert judge("P1", table).verdict == "holds"
    with pytest.raises(ValueError, match="arm=random"):
        judge("P1", table[table["arm"] != "random"])
    with pytest.raises(ValueError, match="lacks the column 'density'"):
        judge("P1", table.drop(columns="density"))


def p2_table(uniform=None, noise=STEADY):
    """Rows of P2; ``uniform`` is the loss in points by network at a fifth of the operations."""
    lost = {"lenet-5": 0.0, "resnet-8": 0.0, "mobilenet-10": 0.0} | (uniform or {})
    rows = []
    for seed, shift in enumerate(noise):
        for network, loss in lost.items():
            data = "mnist" if network.startswith("lenet") else "fashion-mnist"
            for arm, density, left, points in (
                ("control", 1.0, 1.0, 0.0),
                ("uniform", 0.2, 0.2, loss + shift),
                ("global", 0.2, 0.35, shift),
                ("global", 0.1, 0.15, 9.0 + shift),
            ):
                rows.append(
                    {
                        "seed": seed,
                        "network": network,
                        "data": data,
                        "arm": arm,
                        "density": density,
                        "operations_left": left,
                        "operations": round(1000 * left),
                        "accuracy": 0.92 - points / 100,
                    }
                )
    return pd.DataFrame(rows)


def test_p2_holds_with_conditions_at_best():
    found = judge("P2", p2_table())
    assert found.verdict == "holds with conditions"
    assert "ResNet-50 itself is not trained here" in found.reason
    assert "resnet-8 20%" in found.hardware


def test_p2_names_the_deep_network_that_fails():
    found = judge("P2", p2_table({"mobilenet-10": 6.0}))
    assert found.verdict == "holds with conditions"
    assert "mobilenet-10 (+6.00 points)" in found.reason
    assert "mobilenet-10 35%" in found.hardware


def test_p2_does_not_hold_where_the_residual_network_loses():
    found = judge("P2", p2_table({"resnet-8": 2.0}))
    assert (found.verdict, round(found.statistic, 6)) == ("does not hold here", 2.0)
    assert judge("P2", p2_table({"resnet-8": 0.5})).verdict == "undecided"


def test_p2_decides_nothing_on_few_seeds_and_needs_the_residual_network():
    assert judge("P2", p2_table(noise=STEADY[:3])).verdict == "undecided"
    table = p2_table()
    with pytest.raises(ValueError, match="resnet-8"):
        judge("P2", table[table["network"] != "resnet-8"])
    judged = operations.losses_by_operations(table)
    assert set(judged["arm"]) == {"uniform", "global"}


def p3_table(lock=2.5, queue=3.5, dense=1.0, noise=STEADY):
    """Rows of P3 with the speed-ups of each mechanism, a fifth of the operations left."""
    rows = []
    for seed, shift in enumerate(noise):
        for mechanism, speedup in (
            ("dense", dense),
            ("gating", 1.0),
            ("lock step", lock + shift),
            ("queue", queue),
        ):
            for zeros in ("mask", "independent"):
                rows.append(
                    {
                        "seed": seed,
                        "network": "resnet-8",
                        "data": "fashion-mnist",
                        "mechanism": mechanism,
                        "lanes": 16,
                        "width": 1,
                        "group": 16,
                        "queue_depth": 1,
                        "zeros": zeros,
                        "operations_left": 0.2,
                        "array_speedup": speedup if zeros == "mask" else 5.0,
                    }
                )
    return pd.DataFrame(rows)


def test_p3_holds_where_lock_step_and_queues_stay_low():
    found = judge("P3", p3_table())
    assert found.verdict == "holds"
    assert found.statistic == pytest.approx(2.5)
    assert found.interval[0] < 2.5 < found.interval[1]


def test_p3_flips_with_its_table():
    assert judge("P3", p3_table(lock=4.6)).verdict == "does not hold here"
    assert judge("P3", p3_table(dense=2.0)).verdict == "does not hold here"


def test_p3_names_its_conditions():
    found = judge("P3", p3_table(lock=3.4))
    assert found.verdict == "holds with conditions"
    assert "3.40 of five, more than three" in found.reason
    found = judge("P3", p3_table(queue=4.5))
    assert found.verdict == "holds with conditions"
    assert "queues bring back 4.50 of five" in found.reason.lower()


def test_p3_scales_to_the_operations_that_are_left():
    table = p3_table()
    table["operations_left"] = 0.25
    assert judge("P3", table).statistic == pytest.approx(2.5 * 0.25 / 0.2)
    assert lock_step.shares(table)["speedup"].max() == pytest.approx(5 * 5 * 0.25)


def test_p3_decides_nothing_on_few_seeds_and_needs_real_masks():
    assert judge("P3", p3_table(noise=STEADY[:4])).verdict == "undecided"
    table = p3_table()
    with pytest.raises(ValueError, match="mechanism 'queue' with a real mask"):
        judge("P3", table[(table["zeros"] != "mask") | (table["mechanism"] != "queue")])


def p4_table(lost=None, faster=None, noise=STEADY, arrays=("systolic", "lanes")):
    """Rows of P4: points lost by (shape, density), cycles at density 1/2 by shape."""
    points = {("channel", 0.25): 3.0, ("n:m", 0.25): 3.0} | (lost or {})
    cycles = {"fine-grained": 950.0, "n:m": 500.0, "channel": 520.0} | (faster or {})
    rows = []
    for seed, shift in enumerate(noise):
        for array in arrays:
            common = {
                "seed": seed,
                "network": "resnet-8",
                "data": "fashion-mnist",
                "array": array,
                "energy_pj": 1.0,
            }
            for shape in ("as trained", "dense"):
                rows.append(
                    common
                    | {"shape": shape, "density": 1.0, "array_cycles": 1000.0, "accuracy": 0.92}
                )
            for shape, count in cycles.items():
                for density in (0.5, 0.25):
                    loss = points.get((shape, density), 0.0) + shift
                    rows.append(
                        common
                        | {
                            "shape": shape,
                            "density": density,
                            "array_cycles": count * density / 0.5,
                            "accuracy": 0.92 - loss / 100,
                        }
                    )
    return pd.DataFrame(rows)


def test_p4_holds_where_ratio_is_given_up_and_time_is_gained():
    table = p4_table(faster={"fine-grained": 1900.0})
    found = judge("P4", table)
    assert found.verdict == "holds"
    assert found.statistic == pytest.approx(950 / 500)
    assert "fine-grained 25%, n:m 50%, channel 50%" in found.software


def test_p4_flips_with_its_table():
    found = judge("P4", p4_table(faster={"fine-grained": 300.0}))
    assert found.verdict == "does not hold here"


def test_p4_names_arrays_and_networks_that_do_not_gain():
    table = p4_table(faster={"fine-grained": 1900.0})
    slow = (table["array"] == "lanes") & (table["shape"] == "fine-grained")
    table.loc[slow, "array_cycles"] = 100.0
    found = judge("P4", table)
    assert found.verdict == "holds with conditions"
    assert "Faster: resnet-8 on systolic, n:m (1.90x)" in found.reason
    assert "not faster: resnet-8 on lanes" in found.reason
    equal = p4_table({("channel", 0.25): 0.0, ("n:m", 0.25): 0.0})
    found = judge("P4", equal)
    assert found.verdict == "holds with conditions"
    assert "no ratio is given up on resnet-8" in found.reason


def test_p4_takes_a_shape_that_passes_nowhere_as_dense():
    table = p4_table({("n:m", 0.5): 3.0, ("channel", 0.5): 3.0, ("fine-grained", 0.25): 3.0})
    densities = shapes.smallest_densities(table).set_index("shape")["density"]
    assert densities.to_dict() == {"fine-grained": 0.5, "n:m": 1.0, "channel": 1.0}
    (case, _) = shapes.cases(table)
    assert case.gain == pytest.approx(0.95)
    assert judge("P4", table).verdict == "does not hold here"


def test_p4_decides_nothing_on_few_seeds_and_tells_of_missing_arms():
    assert judge("P4", p4_table(noise=STEADY[:4])).verdict == "undecided"
    table = p4_table()
    with pytest.raises(ValueError, match="shape=dense"):
        judge("P4", table[table["shape"] != "dense"])
    with pytest.raises(ValueError, match="'fine-grained' and a structured one"):
        judge("P4", table[table["shape"] != "fine-grained"])
