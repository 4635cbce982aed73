"""Which plane lies on which page, and where it was taken: only what OME-XML says, whatever is in it."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.ports.profile import Plane, StagePlace, TakenPlane
from cisterna.services.ome_planes import MOST_PAGES, ome_planes

OME = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
SIZES = {"SizeZ": 2, "SizeC": 2, "SizeT": 1}


def document(*images: str, more: str = "") -> Element:
    root: Element = fromstring(f"<OME {OME}>{more}{''.join(images)}</OME>")
    return root


def image(
    blocks: str = "<TiffData/>", *, name: str = "scan", order: str = "XYZCT", channels: str | None = None, **sizes: int
) -> str:
    told = " ".join(f'{axis}="{size}"' for axis, size in {**SIZES, **sizes}.items())
    named = channels if channels is not None else '<Channel Name="DAPI"/><Channel Name="GFP"/>'
    return f'<Image ID="{name}" Name="{name}"><Pixels DimensionOrder="{order}" {told}>{named}{blocks}</Pixels></Image>'


def file_block(name: str, **attributes: int) -> str:
    told = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f'<TiffData {told}><UUID FileName="{name}">urn:uuid:0</UUID></TiffData>'


def planes(root: Element, name: str | None = None) -> list[tuple[str, int, int]]:
    return [(one.plane.channel, one.plane.z, one.plane.t) for one in ome_planes(root)[name] if one is not None]


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("XYZCT", [("DAPI", 0, 0), ("DAPI", 1, 0), ("GFP", 0, 0), ("GFP", 1, 0)]),
        ("XYCZT", [("DAPI", 0, 0), ("GFP", 0, 0), ("DAPI", 1, 0), ("GFP", 1, 0)]),
        ("XYTCZ", [("DAPI", 0, 0), ("GFP", 0, 0), ("DAPI", 1, 0), ("GFP", 1, 0)]),
    ],
)
def test_pages_follow_the_order_of_the_axes(order: str, wanted: list[tuple[str, int, int]]) -> None:
    assert planes(document(image(order=order))) == wanted


def test_each_block_places_its_planes_in_its_own_file_and_page() -> None:
    blocks = file_block("a.ome.tif", FirstC=0, IFD=0, PlaneCount=2) + file_block("b.ome.tif", FirstC=1, IFD=3)

    told = ome_planes(document(image(blocks)))

    assert planes(document(image(blocks)), "a.ome.tif") == [("DAPI", 0, 0), ("DAPI", 1, 0)]
    assert told["b.ome.tif"][:3] == (None, None, None)
    assert told["b.ome.tif"][3] == TakenPlane(Plane(region="scan", field="0", channel="GFP", z=0))


def test_a_plane_tells_where_and_when_only_in_units_that_are_known() -> None:
    said = (
        '<Plane TheZ="0" TheC="0" TheT="0" DeltaT="1500" DeltaTUnit="ms" PositionX="2" PositionXUnit="mm" '
        'PositionY="7" PositionYUnit="reference frame" PositionZ="3"/>'
        '<Plane TheZ="1" TheC="0" TheT="0" DeltaT="2" PositionX="far" PositionXUnit="µm" PositionZ="1e99" '
        'PositionZUnit="µm"/>'
        '<Plane TheZ="0" TheC="1" TheT="0" DeltaT="nan" PositionX="inf" PositionXUnit="µm"/>'
    )

    told = ome_planes(document(image("<TiffData/>" + said)))[None]

    assert [one and one.taken for one in told] == [
        StagePlace(x_um=2000.0, seconds=1.5),
        StagePlace(seconds=2.0),
        None,
        None,
    ]


def plate(*wells: tuple[int, int, str]) -> str:
    inside = "".join(
        f'<Well Row="{row}" Column="{column}"><WellSample><ImageRef ID="{one}"/></WellSample></Well>'
        for row, column, one in wells
    )
    return f"<Plate>{inside}</Plate>"


def test_images_of_a_plate_lie_in_its_wells_and_others_are_named_for_themselves() -> None:
    images = (image(name="one"), image(file_block("b.ome.tif"), name="two"))
    wells = plate((0, 0, "one"), (27, 11, "two"))

    def regions(root: Element) -> set[str]:
        return {one.plane.region for pages in ome_planes(root).values() for one in pages if one is not None}

    assert regions(document(*images, more=wells)) == {"A1", "AB12"}
    assert regions(document(*images, more=plate((0, 0, "one")))) == {"one", "two"}
    assert regions(document(*images, more=plate((0, 0, "one"), (0, 1, "one"), (0, 2, "two")))) == {"one", "two"}
    assert regions(document(*images, more=wells + wells)) == {"one", "two"}
    alike = (image(name="same"), image(file_block("b.ome.tif"), name="same"))
    assert regions(document(*alike)) == {"image 0", "image 1"}


TELLS_NOTHING = {
    "two planes on one page": image('<TiffData IFD="0"/><TiffData IFD="0" FirstC="1"/>'),
    "a plane that the image has not": image('<TiffData FirstZ="2"/>'),
    "more planes than there are": image('<TiffData IFD="0" PlaneCount="5"/>'),
    "no order": image(order="XYZ"),
    "an order with an axis twice": image(order="XYZZT"),
    "no size": image(SizeZ=0),
    "sizes without end": image(SizeZ=10**9, SizeT=10**9),
    "channels without end": image(SizeC=10**9, channels=""),
    "channels that are not as many as it says": image(SizeC=3),
    "channels of which some share a plane": image(
        SizeC=4, channels='<Channel SamplesPerPixel="3"/><Channel SamplesPerPixel="1"/>'
    ),
    "a page beyond all others": image('<TiffData IFD="999999999"/>'),
    "more pages than are told apart": image(SizeT=MOST_PAGES),
    "no pixels": '<Image ID="x"/>',
    "no image": "",
}


@pytest.mark.parametrize("told", TELLS_NOTHING.values(), ids=list(TELLS_NOTHING))
def test_what_contradicts_itself_or_is_too_much_tells_of_no_page(told: str) -> None:
    assert ome_planes(document(told)) == {}


def test_an_image_whose_planes_are_unknown_spoils_the_whole_document() -> None:
    assert ome_planes(document(image(), image(order="?", name="other"))) == {}


@pytest.mark.parametrize("other", [{"SizeZ": 1}, {"SizeT": 2}, {"channels": '<Channel Name="A"/><Channel Name="B"/>'}])
def test_images_of_different_kinds_are_no_run_of_which_anything_could_be_missing(other: dict[str, Any]) -> None:
    alike = file_block("b.ome.tif")

    assert set(ome_planes(document(image(), image(alike, name="other")))) == {None, "b.ome.tif"}
    assert ome_planes(document(image(), image(alike, name="other", **other))) == {}


def test_colours_of_one_pixel_are_one_plane_and_channels_of_one_name_are_told_apart() -> None:
    colours = document(image(SizeC=3, SizeZ=1, channels='<Channel SamplesPerPixel="3" Name="RGB"/>'))
    twice = document(image(channels='<Channel Name="BF"/><Channel Name="BF"/>'))

    assert planes(colours) == [("RGB", 0, 0)]
    assert {channel for channel, _, _ in planes(twice)} == {"BF 0", "BF 1"}


@settings(max_examples=60, deadline=None)
@given(
    st.permutations("ZCT"),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_every_plane_lies_on_one_page_and_none_lies_twice(
    order: list[str], levels: int, count: int, times: int
) -> None:
    root = document(image(order="XY" + "".join(order), channels="", SizeZ=levels, SizeC=count, SizeT=times))

    told = planes(root)

    assert len(told) == len(set(told)) == levels * count * times


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["IFD", "PlaneCount", "FirstZ", "FirstC", "FirstT"]), st.text("0123456789-. e", max_size=12)
    )
)
def test_numbers_of_any_form_raise_nothing_and_no_plane_is_made_up(attributes: dict[str, str]) -> None:
    block = "<TiffData " + " ".join(f'{name}="{text}"' for name, text in attributes.items()) + "/>"

    told = ome_planes(document(image(block)))

    assert all(one.plane.z < 2 and one.plane.t == 0 for pages in told.values() for one in pages if one is not None)
