"""What a change saves, and what a prediction's time goes to, in words."""

from edgewright.cost.pricing import Limit, Prediction
from edgewright.forecast.advised_changes import LIMITED, change_to, time_goes_to


def test_a_change_tells_what_it_leaves_what_it_saves_and_how_much_faster_it_is() -> None:
    change = change_to(4.0, 10.0, "fewer layers", "stages.prune.layers = 2", "score")
    assert (change.latency_ms, change.saves_ms, change.faster) == (4.0, 6.0, 2.5)
    assert (change.what, change.how, change.costs) == ("fewer layers", "stages.prune.layers = 2", "score")


def test_time_goes_first_to_what_takes_most_of_it_and_kinds_of_one_name_are_added() -> None:
    kinds = {"linear": 5.0, "permute": 1.0, "slice": 2.0, "softmax": 1.5, "reduction": 0.5}
    limits: dict[Limit, float] = {"arithmetic": 7.0, "bandwidth": 2.0, "overhead": 1.0}
    found = Prediction(
        latency_ms=10.0,
        low_ms=9.0,
        high_ms=11.0,
        limited_by="arithmetic",
        by_limit=limits,
        by_kind=kinds,
        peak_memory_bytes=1,
        memory_spread=1.0,
        source="nominal",
    )
    limit, most = time_goes_to(found)
    assert limit == f"70 % of it is {LIMITED['arithmetic']}."
    assert most == "Most of it goes to products with weights 50 %, moving tensors 30 %, softmax 15 %."
