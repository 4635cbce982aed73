"""Plate maps and sample sheets are read as people write them, and whatever is wrong with one is said with its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.errors import CisternaError, HostileInput, InvalidInput
from cisterna.domain.sample_sheet import Quantity, SampleSheet, SheetForm
from cisterna.metadata.samples_table import column_words, sample_facts, samples_columns
from cisterna.metadata.sheet_column import Meaning, read_header
from cisterna.metadata.sheet_grid import read_grids
from cisterna.metadata.sheet_isa import read_isa
from cisterna.metadata.sheet_row import read_quantity
from cisterna.metadata.sheet_text import read_text_grid

LONG = """Well,Organism,Cell line,Compound,Concentration (uM),Time,Stain 1,Stain 2,Control type,Replicate,Passage
A01,Homo sapiens;NCBITaxon:9606,HeLa;CLO:0003684,DMSO,0,24 h,Hoechst,Phalloidin,negative,1,12
a2,Homo sapiens;NCBITaxon:9606,HeLa,Nocodazole,"0.5",24 h,Hoechst,Phalloidin,,1,12
"""
MAPS = """Layout of 2026-11-30

Treatment,1,2,3
A,DMSO,DMSO,X
B,Y,,Z

Concentration (uM)
,01,02,03
A,0,0,5
B,2,,"0,5"
"""
STUDY = (
    "Source Name\tCharacteristics[organism]\tTerm Source REF\tTerm Accession Number\tProtocol REF\tSample Name\t"
    "Characteristics[Well]\tFactor Value[compound]\tFactor Value[dose]\tUnit\tComment[Operator]"
)
ISA_ROW = (
    "s1\tHomo sapiens\tNCBITAXON\thttp://purl.obolibrary.org/obo/NCBITaxon_9606\tgrowth\tsample1\tA01\tDMSO\t5\tuM\tAda"
)


def read(text: str | bytes, name: str = "samples.csv") -> SampleSheet:
    body = text.encode() if isinstance(text, str) else text
    return read_grids([read_text_grid(body, name)], name)


def test_a_table_of_wells_gives_each_well_what_its_columns_mean() -> None:
    sheet = read(LONG)

    first, second = sheet.samples
    assert (first.place, second.place, sheet.form) == ("A1", "A2", SheetForm.TABLE)
    assert [one.line for one in (*first.organisms, *first.cell_lines)] == [
        "Homo sapiens; NCBITaxon:9606",
        "HeLa; CLO:0003684",
    ]
    assert first.treatments[0].what.label == "DMSO"
    assert first.treatments[0].dose == Quantity("0", 0.0, "uM")
    assert first.treatments[0].duration == Quantity("24 h", 24.0, "h")
    assert [one.what.label for one in first.stains] == ["Hoechst", "Phalloidin"]
    assert (first.control, first.replicate, first.others) == ("negative", "1", (("Passage", "12"),))


def test_maps_in_the_shape_of_the_plate_are_put_together_well_by_well() -> None:
    sheet = read(MAPS)

    told = {one.place: one.treatments for one in sheet.samples}
    assert sheet.form is SheetForm.PLATE_MAP
    assert list(told) == ["A1", "A2", "A3", "B1", "B3"]
    assert (told["B3"][0].what.label, told["B3"][0].dose) == ("Z", Quantity("0,5", 0.5, "uM"))


def test_maps_that_stand_side_by_side_are_all_read() -> None:
    sheet = read("Treatment,1,2,,Cell line,1,2\nA,X,Y,,A,HeLa,\nB,,Z,,B,,U2OS\n\nDose,1,2\nA,5,\nB,,7\n")

    told = {one.well.name: one for one in sheet.samples if one.well}
    assert {name: [x.what.label for x in one.treatments] for name, one in told.items()} == {
        "A1": ["X"],
        "A2": ["Y"],
        "B2": ["Z"],
    }
    assert [one.label for name in ("A1", "B2") for one in told[name].cell_lines] == ["HeLa", "U2OS"]
    assert [told[name].treatments[0].dose for name in ("A1", "B2")] == [Quantity("5", 5.0), Quantity("7", 7.0)]


def test_an_assay_adds_to_a_study_and_may_not_put_a_sample_into_another_well() -> None:
    study, assay = (
        f"Sample Name\tCharacteristics[well]\tCharacteristics[{name}]\n" for name in ("tissue", "cell line")
    )
    files = {"s_a.txt": f"{study}S1\tA1\tliver\n".encode(), "a_a.txt": f"{assay}S1\tA01\tHeLa\n".encode()}

    (one,) = read_isa(files).samples

    assert [told.label for told in (*one.tissues, *one.cell_lines)] == ["liver", "HeLa"]
    with pytest.raises(InvalidInput, match=r"row 2 of .* and row 2 of .* put S1 into different wells: A1 and"):
        read_isa({**files, "a_a.txt": f"{assay}S1\tB2\tHeLa\n".encode()})


def test_an_isa_tab_gives_terms_and_units_to_the_columns_before_them() -> None:
    assay = "Sample Name\tRaw Data File\tLabel\nsample1\ta.tiff\tHoechst\nsample1\tb.tiff\tHoechst\n"

    sheet = read_isa({"isa/s_study.txt": f"{STUDY}\n{ISA_ROW}\n".encode(), "isa/a_assay.txt": assay.encode()})

    assert [(one.place, one.name, one.file) for one in sheet.samples] == [
        ("A1", "sample1", "a.tiff"),
        ("A1", "sample1", "b.tiff"),
    ]
    one = sheet.samples[0]
    assert [organism.line for organism in one.organisms] == ["Homo sapiens; NCBITaxon:9606"]
    assert (one.treatments[0].what.label, one.treatments[0].dose) == ("DMSO", Quantity("5", 5.0, "uM"))
    assert (one.stains[0].what.label, one.others) == ("Hoechst", (("Operator", "Ada"),))


@pytest.mark.parametrize(
    "text",
    [
        "Well;Compound\nA1;DMSO\n",
        "Well\tCompound\nA1\tDMSO\n",
        "# made by hand\n\nWell,Compound\n\nA1,DMSO\n",
        "Row,Column,Compound\nA,1,DMSO\n",
        "Row,Column,Compound\n1,01,DMSO\n",
        "WELL_ID,compound\r\nA1,DMSO\r\n",
        "\ufeffWell,Compound\nA1,DMSO\n",
    ],
    ids=["semicolons", "tabs", "remarks", "row and column", "numbered rows", "other ends", "mark"],
)
def test_a_table_is_read_in_the_ways_that_programs_write_it(text: str) -> None:
    (one,) = read(text).samples

    assert (one.place, one.treatments[0].what.label) == ("A1", "DMSO")


def test_text_that_a_spreadsheet_saved_as_unicode_is_read() -> None:
    assert read("Well\tCompound\nA1\tµ-agonist\n".encode("utf-16")).samples[0].treatments[0].what.label == "µ-agonist"


@pytest.mark.parametrize(
    ("header", "meaning", "number", "unit", "is_term"),
    [
        ("CellLine", Meaning.CELL_LINE, 1, None, False),
        ("cell_line term", Meaning.CELL_LINE, 1, None, True),
        ("Compound 2", Meaning.TREATMENT, 2, None, False),
        ("Concentration [µM]", Meaning.DOSE, 1, "µM", False),
        ("Dose 2 unit", Meaning.DOSE_UNIT, 2, None, False),
        ("DoseUnit", Meaning.DOSE_UNIT, 1, None, False),
        ("TimeTreatment", Meaning.DURATION, 1, None, False),
        ("Well 2", Meaning.OTHER, 1, None, False),
        ("well term", Meaning.OTHER, 1, None, False),
        ("Position", Meaning.OTHER, 1, None, False),
        ("Cells", Meaning.OTHER, 1, None, False),
        ("=HYPERLINK(1)", Meaning.OTHER, 1, None, False),
    ],
)
def test_headers_mean_what_people_mean_by_them(
    header: str, meaning: Meaning, number: int, unit: str | None, *, is_term: bool
) -> None:
    column = read_header(header, 1)

    assert (column.meaning, column.number, column.unit, column.is_term) == (meaning, number, unit, is_term)


def test_columns_that_mean_the_same_stand_side_by_side_where_that_can_be() -> None:
    text = "Sample ID,Sample name,Dye,Antibody,Biological replicate,Technical replicate\ns1,Ada's,Hoechst,CD4,1,2\n"

    (one,) = read(text).samples

    assert (one.name, one.replicate) == ("s1", "1")
    assert [stain.what.label for stain in one.stains] == ["Hoechst", "CD4"]
    assert one.others == (("Sample name", "Ada's"), ("Technical replicate", "2"))


def test_a_numbered_channel_is_a_stain_in_that_channel() -> None:
    column = read_header("Channel 2", 5)

    assert (column.meaning, column.number, column.channel) == (Meaning.STAIN, 2, "Channel 2")


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("10 µM", 10.0, "µM"),
        ("1e-3", 0.001, "h"),
        ("0,25", 0.25, "h"),
        ("1,000", None, "h"),
        ("24h", 24.0, "h"),
        ("10 mg/kg", 10.0, "mg/kg"),
        ("50%", 50.0, "%"),
        ("5-10 nM", None, "h"),
        ("1:1000", None, "h"),
        ("1/100", None, "h"),
        ("1 000 nM", None, "h"),
        ("5 x10^6", None, "h"),
        ("10^-6", None, "h"),
        ("3.5.2", None, "h"),
        ("high", None, "h"),
        ("1e999", None, "h"),
        ("-", None, "h"),
    ],
)
def test_a_quantity_is_a_number_only_where_that_is_sure(text: str, value: float | None, unit: str) -> None:
    assert read_quantity(text, "h") == Quantity(text, value, unit)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column is called Well, Sample or File"),
        ("Well,Dose\n", "no row of samples"),
        ("Well,Dose\nZ99,1\nA0,2\n", "row 2, column 'Well': 'Z99' is no well.*row 3, column 'Well': 'A0'"),
        ("Well,Compound\nA1,x\nA01,y\n", "rows 2 and 3 say different things of A1"),
        ("Well,Row,Column,Dose\nA1,B,2,1\n", "row 2, column 'Well': 'A1' is not row 'B' and column '2'"),
        ("Row,Column,Dose\nA,A1,1\n", "row 'A' and column 'A1' are no well"),
        ("Dose,1,2\nA,1,2\n\nB,3,4\n", "row 4: B does not follow the row of the map above it"),
        ("Dose,1,2\nA,1,2\nC,3,4\n", "row 3: C does not follow the row of the map above it"),
        ("Well,Compound,Drug\nA1,x,y\n", "'Compound' and 'Drug' mean the same"),
        ("Well,Note,note\nA1,x,y\n", "'Note' and 'note' mean the same"),
        ("Row,Column,Drug\nA,99,x\n", "row 2: row 'A' and column '99' are no well"),
        ("Well,Drug\n,x\n", "row 2: no well, sample or file is named"),
        (",1,2\nA,x,y\n", "row 1, column A begins a map of a plate that does not say what it shows"),
        ('Well,Drug\nA1,"x\n', "no table from line"),
        (b"Well,Drug\nA1,\xff\n", "not UTF-8"),
        (b"Well,Drug\nA1,\x00\n", "zero bytes"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place_and_what_to_do(text: str | bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refusal:
        read(text)

    assert str(refusal.value).startswith("samples.csv")


@pytest.mark.parametrize(
    "text",
    [
        "Well,Drug\nA1," + "x" * 100_000 + "\n",
        "Well,Drug\nA1," + "x" * 200_000 + "\n",
        "Well,Drug\n" + "A1,x\n" * 20_001,
        "Well," + ",".join(f"c{number}" for number in range(300)) + "\nA1\n",
        "," * 250 + "x\n",
    ],
    ids=["long cell", "longer cell", "rows", "columns", "far cell"],
)
def test_a_flood_is_refused(text: str) -> None:
    with pytest.raises(HostileInput):
        read(text)


def test_hostile_text_is_cleaned_and_nothing_of_it_is_run() -> None:
    sheet = read(
        "Well,Compound,\u202eevil\u0007\nA1,<script>\u202ex\u0000</script>,=cmd|' /C calc'!A1\n".replace("\0", "")
    )

    (one,) = sheet.samples
    assert one.treatments[0].what.label == "<script>x</script>"
    assert one.others == (("evil", "=cmd|' /C calc'!A1"),)


def test_a_term_without_the_form_of_one_is_left_out_and_told() -> None:
    sheet = read("Well,Organism,Organism term\nA1,Human,nonsense\n")

    assert [one.line for one in sheet.samples[0].organisms] == ["Human"]
    assert sheet.remarks == ("row 2, column 'Organism term': 'nonsense' has not the form of a term and was left out",)


def test_the_table_has_a_row_a_well_and_a_column_for_each_of_several_stains() -> None:
    columns = samples_columns(read(LONG))

    assert columns["well"] == ["A1", "A2"]
    assert (columns["well_row"], columns["well_column"]) == (["A", "A"], [1, 2])
    assert (columns["treatment"], columns["dose_value"], columns["dose_unit"]) == (
        ["DMSO", "Nocodazole"],
        [0.0, 0.5],
        ["uM", "uM"],
    )
    assert (columns["stain"], columns["stain_2"]) == (["Hoechst"] * 2, ["Phalloidin"] * 2)
    assert columns["cell_line_term"] == ["CLO:0003684", None]
    assert columns["other.Passage"] == ["12", "12"]
    assert columns["sheet_row"] == [2, 3]
    assert len({len(cells) for cells in columns.values()}) == 1
    assert all(column_words(name) for name in columns)
    assert column_words("stain_2") == "Stain, dye or antibody, number 2"


def test_a_library_of_more_compounds_than_a_record_names_is_cut_and_told() -> None:
    rows = "\n".join(f"{chr(65 + at // 48 % 26)}{at % 48 + 1},plate {at // 1248},drug {at}" for at in range(1100))

    facts, remarks = sample_facts(read(f"Well,Plate,Compound\n{rows}\n"))

    assert (len(facts.treatments), facts.wells) == (1000, 1100)
    assert remarks == ["there are 1,100 treatments: the first 1,000 are named, and the table has all"]


def test_wells_that_are_named_and_hold_nothing_do_not_count_as_samples() -> None:
    facts, _ = sample_facts(read("Well,Compound\nA1,DMSO\nA2,\n"))

    assert facts.wells == 1


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"Well,{text}".encode("utf-8", "replace")))
def test_no_bytes_make_a_reader_do_anything_but_read_or_refuse(body: bytes) -> None:
    for begin in (b"", b"Well,Compound\nA1,", b",1,2\nA,"):
        try:
            samples_columns(read(begin + body))
        except CisternaError as refusal:
            assert len(str(refusal)) < 5000  # noqa: PT017 - either way is right
