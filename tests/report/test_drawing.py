"""What pictures share: names beside bars."""

from edgewright.bundles.findings import PartRecord, PartSensitivityRecord, SensitivityRecord
from edgewright.report import drawing, figures


def test_a_long_name_beside_a_bar_keeps_its_beginning_and_its_end() -> None:
    assert drawing.short("encoder.layers.1.down") == "encoder.layers.1.down"
    shown = drawing.short("encoder.layers.11.attention.query_key_value")
    assert len(shown) == drawing.SHOWN_CHARACTERS
    assert (shown[:8], shown[-9:]) == ("encoder.", "key_value")


def test_parts_whose_long_names_begin_and_end_alike_have_rows_of_their_own() -> None:
    names = [
        f"network.resnet.encoder.stages.{stage}.layers.0.layer.{part}.convolution" for stage in "01" for part in "01"
    ]
    parts = [PartRecord(name=name, macs=100) for name in names]
    figure = figures.parts(parts, parts)
    found = figures.sensitivity(
        SensitivityRecord(parts=tuple(PartSensitivityRecord(name=name, error=0.1) for name in names))
    )
    assert figure is not None
    assert found is not None
    for drawn in (figure, found):
        assert list(drawn.layout.yaxis.tickvals) == list(drawn.data[0].y) == names
        assert drawn.layout.yaxis.ticktext[0] == "0.layers.0.layer.0.convolution"
        assert len(set(drawn.layout.yaxis.ticktext)) == len(names)
