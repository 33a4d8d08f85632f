"""Formats that astropy reads: FITS, VOTable, ECSV. Files are made here by astropy itself."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from heliostat.datapoints.processors.base import DataFile, Reading
from heliostat.datapoints.reading import read_file
from heliostat.dataproducts.problems import InvalidData


def read(content: bytes, kind: str) -> Reading:
    return read_file(DataFile("a.dat", content), kind)


def written(table: Table, form: str) -> bytes:
    out = io.StringIO() if form == "ascii.ecsv" else io.BytesIO()
    table.write(out, format=form)
    value = out.getvalue()
    return value.encode() if isinstance(value, str) else value


@pytest.fixture
def light_curve() -> Table:
    return Table(
        {
            "MJD": [60000.25, 60001.25],
            "filter": ["r", "g"],
            "mag": MaskedColumn([18.2, 0.0], mask=[False, True]),
            "mag_err": MaskedColumn([0.05, 0.0], mask=[False, True]),
            "limiting_mag": [20.5, 20.6],
        }
    )


@pytest.mark.parametrize("form", ["ascii.ecsv", "votable", "fits"])
def test_a_light_curve_is_read_with_what_is_missing(light_curve: Table, form: str) -> None:
    rows = read(written(light_curve, form), "photometry").rows
    assert rows == [
        {"time": 60000.25, "band": "r", "magnitude": 18.2, "error": 0.05, "limit": 20.5},
        {"time": 60001.25, "band": "g", "limit": 20.6},
    ]


def test_a_time_of_another_scale_becomes_utc() -> None:
    table = QTable(
        {"time": Time([60000.0], format="mjd", scale="tai"), "flux": [1.5] * u.nJy, "flux_err": [0.1] * u.nJy}
    )
    (row,) = read(written(table, "ascii.ecsv"), "photometry").rows
    assert row["time"] == pytest.approx(60000 - 37 / 86400, abs=1e-9)
    assert (row["flux"], row["error"], row["unit"]) == (1.5, 0.1, "nJy")


@pytest.mark.parametrize("form", ["ascii.ecsv", "votable", "fits"])
def test_a_spectrum_is_read_with_its_units(form: str) -> None:
    table = QTable({"wavelength": [400.0, 401.0] * u.nm, "flux": [1.0, 2.0] * u.Jy, "ivar": [4.0, 0.0]})
    (spectrum,) = read(written(table, form), "spectroscopy").rows
    assert (spectrum["wavelength"], spectrum["wavelength_unit"]) == ([400.0, 401.0], "nm")
    assert (spectrum["flux"], spectrum["flux_unit"]) == ([1.0, 2.0], "Jy")
    assert spectrum["error"][0] == 0.5
    assert np.isnan(spectrum["error"][1])


def image(data: Any, **cards: Any) -> bytes:
    out = io.BytesIO()
    header = fits.Header({"DATE-OBS": "2023-02-25T06:00:00", "TELESCOP": "FTN", "INSTRUME": "FLOYDS", "BUNIT": "Jy"})
    header.update(cards)
    fits.PrimaryHDU(np.asarray(data, dtype=float), header).writeto(out)
    return out.getvalue()


def test_a_spectrum_in_an_image_of_one_axis_is_read() -> None:
    (spectrum,) = read(image([1, 2, 3], CRVAL1=4000.0, CRPIX1=2.0, CDELT1=10.0), "spectroscopy").rows
    assert spectrum == {
        "wavelength": [3990.0, 4000.0, 4010.0],
        "flux": [1.0, 2.0, 3.0],
        "wavelength_unit": "Angstrom",
        "time": 60000.25,
        "telescope": "FTN",
        "instrument": "FLOYDS",
        "flux_unit": "Jy",
    }


def test_logarithmic_wavelengths_and_stacks_of_iraf_are_read() -> None:
    content = image([[[1, 2]], [[3, 4]]], CRVAL1=3.0, CD1_1=1.0, CRPIX1=1.0, **{"DC-FLAG": 1})
    (spectrum,) = read(content, "spectroscopy").rows
    assert (spectrum["wavelength"], spectrum["flux"]) == ([1000.0, 10000.0], [1.0, 2.0])


def test_a_spectrum_in_one_row_of_a_table_is_read() -> None:
    table = Table({"WAVE": [[4000.0, 4001.0]], "FLUX": [[1.0, 2.0]], "ERR": [[0.1, 0.2]]})
    (spectrum,) = read(written(table, "fits"), "spectroscopy").rows
    assert (spectrum["wavelength"], spectrum["flux"], spectrum["error"]) == ([4000.0, 4001.0], [1.0, 2.0], [0.1, 0.2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"SIMPLE  =", "FITS cannot read this file"),
        (image([[1, 2], [3, 4]]), "holds no spectroscopy: no table"),
        (written(Table({"a": [1]}), "fits"), "holds no spectroscopy: a"),
        (written(Table({"a": [1]}), "votable"), "There is no column wavelength"),
        (written(Table({"a": [1]}), "ascii.ecsv"), "There is no column wavelength"),
        (b"# %ECSV 1.0\n# ---\n# datatype: [\n", "ECSV cannot read this file"),
        (b'<?xml version="1.0"?><VOTABLE><RESOURCE>', "VOTable cannot read this file"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><VOTABLE/>', "declares entities"),
    ],
)
def test_a_damaged_or_other_file_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        read(content, "spectroscopy")


LATER = """
import datetime, time
real = datetime.datetime
class Later(real):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(days=800)
    @classmethod
    def utcnow(cls):
        return super().utcnow() + datetime.timedelta(days=800)
datetime.datetime = Later
clock = time.time
time.time = lambda: clock() + 800 * 86400
"""
EARTH = """
from heliostat.datapoints.processors.offline import astropy_module
Time = astropy_module("astropy.time").Time
iers = astropy_module("astropy.utils.iers")
{relax}
print(Time.now().mjd > 61800, float((Time.now() - 700).ut1.mjd) > 0)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=100)


def test_two_years_from_now_times_are_converted_without_the_network() -> None:
    done = run(LATER + EARTH.format(relax=""))
    assert (done.stdout.strip(), done.returncode) == ("True True", 0), done.stderr[-500:]


def test_without_these_settings_astropy_would_raise() -> None:
    done = run(LATER + EARTH.format(relax="iers.conf.auto_max_age = 30"))
    assert "interpolating from IERS_Auto using predictive values that are more than 30" in done.stderr.replace(
        "\n", " "
    )


def test_csv_needs_no_astropy_and_fits_says_what_it_needs() -> None:
    code = """
import sys
sys.modules["astropy"] = sys.modules["astropy.utils"] = None
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"])
from heliostat.datapoints.processors.base import DataFile
from heliostat.dataproducts.problems import InvalidData
from heliostat.datapoints.processors.fits import Fits
from heliostat.datapoints.processors.comma_separated import CommaSeparated
print(CommaSeparated().read(DataFile("a", b"mjd,mag\\n1,2\\n"), "photometry").rows)
try:
    Fits().read(DataFile("a", b"SIMPLE  ="), "photometry")
except InvalidData as error:
    print(error)
print("numpy" in sys.modules)
"""
    done = run(code)
    lines = done.stdout.splitlines()
    assert lines[0] == "[{'time': '1', 'magnitude': '2'}]", done.stderr[-500:]
    assert lines[1].startswith("Files of this format need astropy: pip install 'heliostat[data]'")
    assert lines[2] == "False"
