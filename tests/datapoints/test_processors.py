"""Real files are read: the right columns, the right numbers. What is no data is refused with the reason."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from heliostat.datapoints.processors.base import DataFile, Reading
from heliostat.datapoints.reading import read_file
from heliostat.dataproducts.problems import InvalidData

# Numbers that were read by hand from the files: rows, then the first and the last row.
PHOTOMETRY = {
    "14gqr_phot.csv": (
        366,
        {"time": "56942.28490999999", "band": "ztfg", "error": "7.306510212691372", "zero_point": "25.0"},
        {"time": "56960.27704861111", "band": "ztfg", "error": "7.426599357259219", "system": "ab"},
    ),
    "AT2017gfo_optical.csv": (
        107,
        {"time": "57983.758", "band": "2massh", "flux": "319.1537855100758", "error": "11.758059982209915"},
        {"time": "57984.969", "band": "sdssu", "error": "10.496149204995424", "zero_point": "23.9"},
    ),
    "AT2017gfo_xray.csv": (
        8,
        {
            "time": "57991.728947",
            "band": "swiftxrt",
            "flux": "0.0002544569464852509",
            "error": "0.00015779684690914931",
        },
        {"time": "58724.248947", "flux": "0.0001392692649137935", "error": "7.027987287108927e-05"},
    ),
    "ZTF20abwysqy_phot.csv": (
        136,
        {"time": "59057.43321759999", "band": "ztfg", "error": "3.2546935121423743"},
        {"time": "59087.38548609987", "band": "ztfr", "error": "6.697588310149844"},
    ),
    "ZTF21aaqjmps_phot.csv": (
        174,
        {"time": "59267.3795602", "band": "ztfg", "error": "8.28686134956073"},
        {"time": "59309.3898032", "band": "ztfr", "flux": "446.272753345342", "error": "16.0442391625049"},
    ),
    "ZTFinGCN_phot.csv": (
        3,
        {"time": "58134.125611226854", "flux": "30988.46042012061", "source": "Muphoten"},
        {"time": "58136.125611226854", "flux": "25142.010301590228", "error": "301.0364155866526"},
    ),
    "ZTFrlh6cyjh_phot.csv": (
        1121,
        {"time": "58744.20135999983", "flux": "30988.46042012061", "error": "371.0385501207088"},
        {"time": "58748.2661799998", "band": "ztfi", "flux": "14777.46706171993", "error": "149.71605227763357"},
    ),
}


def read(path: Path, kind: str) -> Reading:
    return read_file(DataFile(path.name, path.read_bytes()), kind)


def text(content: str, kind: str = "photometry", name: str = "a.csv") -> Reading:
    return read_file(DataFile(name, content.encode()), kind)


@pytest.mark.parametrize("name", PHOTOMETRY)
def test_photometry_of_real_files_is_read(shared_data: Path, name: str) -> None:
    count, first, last = PHOTOMETRY[name]
    reading = read(shared_data / "photometry" / name, "photometry")
    assert len(reading.rows) == count
    assert {key: reading.rows[0][key] for key in first} == first
    assert {key: reading.rows[-1][key] for key in last} == last
    assert reading.lines is not None
    assert (reading.lines[0], reading.lines[-1]) == (2, count + 1)


def test_a_row_without_a_flux_has_the_limit_of_five_standard_errors(shared_data: Path) -> None:
    rows = read(shared_data / "photometry" / "14gqr_phot.csv", "photometry").rows
    assert rows[0]["limit"] == pytest.approx(25 - 2.5 * math.log10(5 * 7.306510212691372))
    detected = next(row for row in rows if "flux" in row)
    assert "limit" not in detected


def test_columns_that_are_not_read_are_named(shared_data: Path) -> None:
    reading = read(shared_data / "photometry" / "ZTFrlh6cyjh_phot.csv", "photometry")
    assert reading.notes == ["Columns that were not read: ra_unc, dec_unc, ra, dec, ref_flux, ref_fluxerr."]


def test_a_file_of_photometry_holds_positions_too(shared_data: Path) -> None:
    row = read(shared_data / "photometry" / "ZTFinGCN_phot.csv", "astrometry").rows[0]
    assert (row["ra"], row["dec"], row["ra_error"], row["dec_error"]) == ("342.4596227", "51.2633822", "0.25", "0.22")


def test_a_spectrum_of_the_liverpool_telescope_is_read(shared_data: Path) -> None:
    reading = read(shared_data / "spectra" / "ZTF20abucjsa_20200909_LT_v1.ascii", "spectroscopy")
    (spectrum,) = reading.rows
    assert len(spectrum["wavelength"]) == len(spectrum["flux"]) == 433  # as its header says (NAXIS1)
    assert (spectrum["wavelength"][0], spectrum["flux"][0]) == (4020.00, 2.361314)  # joined to the header's last line
    assert (spectrum["wavelength"][1], spectrum["flux"][1]) == (4029.20, 9.990907)
    assert (spectrum["wavelength"][-1], spectrum["flux"][-1]) == (7994.40, 9.996514)
    assert "error" not in spectrum
    assert (spectrum["telescope"], spectrum["instrument"]) == ("Liverpool Telescope", "SPRAT")
    assert spectrum["time"] == 59101.96555786  # DATE-OBS; its MJD is a year of 2182
    assert reading.notes == ["Line 277: the first row follows the names of the columns without a line end."]


def test_a_spectrum_of_sedm_is_read_whose_third_column_is_a_variance(shared_data: Path) -> None:
    (spectrum,) = read(shared_data / "spectra" / "ZTF20abwdwoa_20200902_P60_v1.ascii", "spectroscopy").rows
    assert len(spectrum["wavelength"]) == 214
    assert (spectrum["wavelength"][0], spectrum["flux"][0]) == (3776.7, 9.9988e-16)
    assert spectrum["error"][0] == pytest.approx(math.sqrt(2.484e-31))
    assert (spectrum["wavelength"][-1], spectrum["flux"][-1]) == (9223.3, 9.9901e-17)
    assert (spectrum["telescope"], spectrum["instrument"], spectrum["flux_unit"]) == ("60", "SEDM-P60", "erg/s/A/cm^2")
    assert spectrum["time"] == 59094.31236


def test_a_spectrum_in_a_csv_file_is_read(shared_data: Path) -> None:
    (spectrum,) = read(shared_data / "spectra" / "spec1.csv", "spectroscopy").rows
    assert len(spectrum["wavelength"]) == 1197
    assert (spectrum["wavelength"][0], spectrum["flux"][0]) == (3315.61709372, -1.57072903217e-16)
    assert (spectrum["wavelength"][-1], spectrum["flux"][-1]) == (9879.93309657, -1.80190518452e-17)


def test_a_damaged_spectrum_is_refused_with_the_line_that_is_wrong(shared_data: Path) -> None:
    with pytest.raises(InvalidData) as refused:
        read(shared_data / "spectra" / "ZTF20abpuxna_20200915_Keck1_v1.ascii.bad", "spectroscopy")
    assert refused.value.messages == ["Line 193: 9 values; line 133 has 8."]


def test_the_same_spectrum_without_its_damage_has_its_columns_by_name(shared_data: Path) -> None:
    damaged = (shared_data / "spectra" / "ZTF20abpuxna_20200915_Keck1_v1.ascii.bad").read_text()
    (spectrum,) = text(damaged.replace("  0 999", "  0"), "spectroscopy").rows
    assert len(spectrum["wavelength"]) == 61
    assert (spectrum["wavelength"][0], spectrum["flux"][0], spectrum["error"][0]) == (
        3087.6265,
        9.99127e-16,
        1.33611e-16,
    )
    assert (spectrum["telescope"], spectrum["instrument"]) == ("Keck I", "LRIS+LRISBLUE")


def test_files_of_tom_toolkit_are_read(shared_data: Path) -> None:
    media = shared_data / "tomtoolkit" / "tt31_media" / "sn-2026abc"
    rows = read(media / "none" / "lc.csv", "photometry").rows
    assert rows[0] == {"time": "61100.1", "band": "r", "magnitude": "18.2", "error": "0.05"}
    assert len(rows) == 3
    (spectrum,) = read(media / "lco" / "spec.csv", "spectroscopy").rows
    assert spectrum == {"wavelength": [4000, 4001, 4002], "flux": [1e-16, 1.1e-16, 1.2e-16]}


@pytest.mark.parametrize("kind", ["photometry", "spectroscopy", "astrometry"])
def test_an_error_page_is_refused(shared_data: Path, kind: str) -> None:
    page = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>"
    for content in (page, f"\n  {page}", f"<!DOCTYPE HTML>{page}"):
        with pytest.raises(InvalidData, match="page of a web site"):
            text(content, kind)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "The file is empty."),
        (" \n", "The file is empty."),
        ("1,2,3\n4,5,6\n", "no photometry in a format that is known here"),
        ("mjd,filter\n1,r\n", "no photometry in a format"),
        ("mjd,mag,filter\n", "The file holds no rows."),
        ("mjd,mag,filter\n60000,18,r\n60001,18\n", "Line 3: 2 values; the header has 3 columns."),
        ('mjd,mag,filter\n60000,18,"r\n', "Line 2: This is no CSV: unexpected end of data."),
        ("jd,mag\n2460000.5,18\nx,17\n", "Line 3: 'x' is not a Julian date."),
        ("mjd,mag\n60000,18\n\x00,1\n", "Line 3: This is no text."),
    ],
)
def test_what_is_no_photometry_is_refused_with_the_reason(content: str, message: str) -> None:
    with pytest.raises(InvalidData) as refused:
        text(content)
    assert message in str(refused.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidData, match="Line 2: This is no text in UTF-8"):
        read_file(DataFile("a.csv", b"mjd,mag\n\xff\xfe,1\n"), "photometry")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("JD;Filter;Mag;Mag_Err\n2460000.75;r;18,2;0.1\n", None),
        (
            "\ufeffDate,Filter,Mag\n2023-02-25T06:00:00,r,>20.3\n",
            [{"time": "2023-02-25T06:00:00", "band": "r", "limit": "20.3"}],
        ),
        ("# a comment\n\nmjd\tband\tmagnitude\n60000\tr\t18\n\n", [{"time": "60000", "band": "r", "magnitude": "18"}]),
        ("mjd,mag,e_mag,flux\n60000,18,nan,--\n", [{"time": "60000", "magnitude": "18"}]),
        ("jd,mag\n2460000.75,18\n", [{"time": 60000.25, "magnitude": "18"}]),
        (
            "mjd,mag,mag_err,flux,flux_err\n1,18,0.1,2,0.2\n",
            [{"time": "1", "magnitude": "18", "error": "0.1", "flux": "2", "flux_error": "0.2"}],
        ),
    ],
)
def test_columns_are_found_by_the_names_that_astronomers_give_them(content: str, rows: Any) -> None:
    read_rows = text(content).rows
    assert read_rows == rows if rows else read_rows[0]["band"] == "r"


# The columns of https://fallingstar-data.com/forcedphot/output
ATLAS = """\
###MJD m dm uJy duJy F err chi/N RA Dec x y maj min phi apfit mag5sig Sky Obs
57303.61157  17.421 0.020 393 10 o 0 1.06 279.6 -10.3 8123 5012 2.6 2.4 -44 -0.4 19.95 20.7 02a57303o0437o
57306.58556 -21.002 0.900 -14 12 c 0 1.10 279.6 -10.3 2513 4311 2.5 2.3 -41 -0.4 19.80 20.5 01a57306o0412c
57307.58556  16.000 0.900 900 12 c 1 9.10 279.6 -10.3 2513 4311 2.5 2.3 -41 -0.4 19.80 20.5 01a57307o0412c
"""


def test_forced_photometry_of_atlas_is_read() -> None:
    reading = text(ATLAS, name="job1.txt")
    detected, limit = reading.rows
    assert (detected["magnitude"], detected["error"], detected["flux"], detected["flux_error"]) == (
        "17.421",
        "0.020",
        393,
        10,
    )
    assert (detected["band"], detected["telescope"], detected["instrument"]) == ("o", "ATLAS", "02a")
    assert "magnitude" not in limit
    assert (limit["flux"], limit["error"], limit["limit"], limit["unit"], limit["zero_point"]) == (
        -14,
        12,
        "19.80",
        "uJy",
        23.9,
    )
    assert reading.notes == ["1 rows that ATLAS marks as bad (err is not 0) were left out."]
    with pytest.raises(InvalidData, match="Line 2: 3 values; the header has 19"):
        text(ATLAS.splitlines()[0] + "\n1 2 3\n")


def test_answers_of_skyportal_are_read() -> None:
    point = {"mjd": 59000.5, "filter": "ztfg", "mag": None, "magerr": None, "magsys": "ab", "limiting_mag": 20.5}
    answer = {"status": "success", "data": [{**point, "instrument_name": "ZTF", "origin": None, "groups": []}]}
    assert text(json.dumps(answer)).rows == [
        {"time": 59000.5, "band": "ztfg", "system": "ab", "limit": 20.5, "instrument": "ZTF"}
    ]
    spectrum = {"wavelengths": [1.0, 2.0], "fluxes": [3.0, 4.0], "errors": None, "observed_at": "2023-02-25T06:00:00"}
    assert text(json.dumps({"data": {"spectra": [spectrum]}}), "spectroscopy").rows == [
        {"wavelength": [1.0, 2.0], "flux": [3.0, 4.0], "time": "2023-02-25T06:00:00"}
    ]
    for bad in ('{"data": "mjd"', '{"mjd": [1]}', '["mjd"]', '{"data": {"mjd": "mjd"}}'):
        with pytest.raises(InvalidData):
            text(bad.replace("mjd", '"mjd"') if '"mjd"' not in bad else bad)
