"""Uploads: files are what they seem, their data is stored with them, and who may change them changes them."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from PIL import Image

from heliostat.datapoints.models import PhotometryPoint, Spectrum
from heliostat.dataproducts import storing
from heliostat.dataproducts.models import DataProduct, DataProductGroup
from heliostat.dataproducts.problems import InvalidData
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target
from heliostat.testing import run_after_commit
from tests.dataproducts.test_dataproducts import CURVE, files_in, fits
from tests.observations.facilities import Torn

pytestmark = pytest.mark.django_db
SPECTRUM = b"wavelength,flux\n4000,1e-16\n4001,1.1e-16\n"


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def ada(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ada")


@pytest.fixture
def m42(ada: User) -> Target:
    return Target.objects.create(name="M42", owner=ada, visibility="public")


@pytest.fixture
def visitor(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def png() -> bytes:
    out = BytesIO()
    Image.new("RGB", (4, 4), "orange").save(out, "PNG")
    return out.getvalue()


def post(visitor: Client, target: Target, *files: tuple[str, bytes], **form: str) -> Any:
    uploaded = [SimpleUploadedFile(name, content) for name, content in files]
    return visitor.post(f"/dataproducts/upload/?target={target.pk}", {"file": uploaded, **form}, follow=True)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("curve.csv", CURVE, "photometry"),
        ("spectrum.csv", SPECTRUM, "spectroscopy"),
        ("position.csv", b"mjd,ra,dec\n60000,10,20\n", "astrometry"),
        ("a.fits", fits(), "fits_file"),
        ("a.png", png(), "image_file"),
        ("notes.txt", b"clouds\n", "other"),
    ],
)
def test_the_type_is_recognized_by_the_content(
    visitor: Client, m42: Target, name: str, content: bytes, kind: str
) -> None:
    post(visitor, m42, (name, content))
    assert DataProduct.objects.get().data_product_type == kind


@pytest.mark.parametrize(
    ("name", "content", "kind", "reason"),
    [
        ("a.fits", b"SIMPLE  =", "", "it begins like one, and then has no FITS header"),
        ("a.fits", png(), "", "a.fits is no FITS or gzip file: its content is PNG."),
        ("a.png", b"\x89PNG\r\n\x1a\n", "", "a.png is no PNG image"),
        ("a.png", fits(), "", "a.png is no PNG file: its content is FITS."),
        ("a.png", b"mjd,mag\n", "", "a.png is no PNG file: its content is text."),
        ("a.jpg", b"\xff\xd8\xff\xe0", "", "a.jpg is no JPEG image"),
        ("a.csv", png(), "photometry", "a.csv is no text file: its content is PNG."),
        ("a.csv", CURVE, "image_file", "a.csv is no PNG or JPEG or GIF file: its content is text."),
        ("a.csv", CURVE, "fits_file", "a.csv is no FITS or gzip file: its content is text."),
        ("a.fits.gz", b"\x1f\x8b\x08\x00nothing", "", "cannot be unpacked"),
        ("a.pdf", b"hello", "", "a.pdf is no PDF file"),
        ("a.csv", b"<html><head><title>404 Not Found</title>", "", "page of a web site"),
        ("a.csv", b"<!DOCTYPE html><html>", "photometry", "page of a web site"),
        ("a.csv", b"mjd,mag\n60000,18\n60001,x\n60002\n", "photometry", "Line 4: 1 values; the header has 2 columns."),
        (
            "a.csv",
            b"mjd,mag\n60000,18\n60001,x\n",
            "photometry",
            "Line 3: magnitude must be a number",
        ),
        ("a.csv", CURVE, "spectroscopy", "no spectroscopy in a format that is known here"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused_with_the_reason(
    visitor: Client, m42: Target, media: Path, name: str, content: bytes, kind: str, reason: str
) -> None:
    page = post(visitor, m42, (name, content), data_product_type=kind)
    assert reason in page.content.decode()
    assert not DataProduct.objects.exists()
    assert not PhotometryPoint.objects.exists()
    assert files_in(media) == []


def test_points_are_stored_with_their_file_and_deleted_with_it(visitor: Client, m42: Target, media: Path) -> None:
    page = post(visitor, m42, ("curve.csv", CURVE)).content.decode()
    assert "curve.csv was uploaded. Points: 2 created, 0 updated, 0 unchanged." in page
    product = DataProduct.objects.get()
    assert [(point.source, point.product) for point in PhotometryPoint.objects.all()] == [("curve.csv", product)] * 2
    assert hashlib.sha256(CURVE).hexdigest() in page
    assert "ada" in page
    with run_after_commit():
        assert visitor.post(f"/dataproducts/{product.pk}/delete/").status_code == 302
    assert not PhotometryPoint.objects.exists()
    assert files_in(media) == []


def test_a_file_that_is_uploaded_again_adds_no_points_and_a_corrected_one_updates(visitor: Client, m42: Target) -> None:
    post(visitor, m42, ("curve.csv", CURVE))
    page = post(visitor, m42, ("curve.csv", CURVE)).content.decode()
    assert "Points: 0 created, 0 updated, 2 unchanged." in page
    corrected = CURVE.replace(b"18.4", b"18.5")
    page = post(visitor, m42, ("better.csv", corrected), source="curve.csv").content.decode()
    assert "Points: 0 created, 1 updated, 1 unchanged." in page
    DataProduct.objects.order_by("pk")[0].delete()  # its points are in the newer files
    assert PhotometryPoint.objects.count() == 2


def test_many_files_are_taken_at_once_and_the_bad_ones_are_named(visitor: Client, m42: Target, media: Path) -> None:
    files = [("a.csv", CURVE), ("b.csv", b"mjd,mag\n1\n"), ("s.csv", SPECTRUM)]
    page = post(visitor, m42, *files).content.decode()
    assert "s.csv was uploaded. Spectra: 1 created" in page  # b.csv, of no type, is a text
    assert {product.filename for product in DataProduct.objects.all()} == {"a.csv", "b.csv", "s.csv"}
    assert Spectrum.objects.count() == 1
    page = post(visitor, m42, *files, data_product_type="photometry").content.decode()
    assert "was uploaded. Points: 0 created, 0 updated, 2 unchanged." in page
    assert "b.csv: Line 2: 1 values; the header has 2 columns." in page
    assert "s.csv: This is no photometry" in page
    assert DataProduct.objects.count() == 4


def test_a_form_without_a_file_and_one_with_too_many_are_refused(visitor: Client, m42: Target) -> None:
    assert "This field is required" in post(visitor, m42).content.decode()
    many = [(f"{number}.csv", CURVE) for number in range(60)]
    assert "At most 50 files are taken at once" in post(visitor, m42, *many).content.decode()
    assert not DataProduct.objects.exists()


def test_real_files_are_uploaded(visitor: Client, m42: Target, shared_data: Path) -> None:
    for folder in ("photometry", "spectra"):
        for path in sorted((shared_data / folder).iterdir()):
            post(visitor, m42, (path.name, path.read_bytes()))
    assert DataProduct.objects.filter(data_product_type="photometry").count() == 7
    assert DataProduct.objects.filter(data_product_type="spectroscopy").count() == 3
    assert not DataProduct.objects.exclude(data_product_type__in=["photometry", "spectroscopy"]).exists()
    assert PhotometryPoint.objects.count() == 366 + 107 + 8 + 136 + 174 + 3 + 1121
    assert Spectrum.objects.count() == 3


def test_a_program_gets_the_problems_of_a_file_line_by_line(m42: Target) -> None:
    with pytest.raises(InvalidData) as refused:
        storing.upload(
            DataProduct(target=m42, data_product_type="photometry"), ContentFile(b"mjd,mag\n1\n", name="a.csv")
        )
    assert [(problem.line, problem.message) for problem in refused.value.problems] == [
        (2, "1 values; the header has 2 columns.")
    ]


def test_an_error_page_of_a_facility_is_no_data(
    m42: Target, settings: Any, monkeypatch: pytest.MonkeyPatch, media: Path
) -> None:
    settings.TOM_FACILITY_CLASSES = ["tests.observations.facilities.Torn"]
    record = ObservationRecord.objects.create(target=m42, facility="Torn", observation_id="1", status="COMPLETED")
    files = [storing.FacilityFile("1", "a.csv", b"<html>404</html>")]
    monkeypatch.setattr(Torn, "data_products", lambda self, observation: files)
    with pytest.raises(storing.RetrievalError, match="page of a web site"):
        storing.retrieve(record)
    assert files_in(media) == []


def test_a_facility_s_data_is_stored_and_a_file_that_cannot_be_read_says_why(
    visitor: Client, m42: Target, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TOM_FACILITY_CLASSES = ["tests.observations.facilities.Torn"]
    record = ObservationRecord.objects.create(target=m42, facility="Torn", observation_id="1", status="COMPLETED")
    files = [
        storing.FacilityFile("1", "good.csv", CURVE, "photometry"),
        storing.FacilityFile("2", "bad.csv", b"mjd,mag\n1\n", "photometry"),
    ]
    monkeypatch.setattr(Torn, "data_products", lambda self, observation: files)
    good, bad = storing.retrieve(record)
    assert set(PhotometryPoint.objects.values_list("product", "source")) == {(good.pk, "Torn 1")}
    assert (good.problem, bad.problem) == ("", "Line 2: 1 values; the header has 2 columns.")
    assert "The data in this file was not read. Line 2" in visitor.get(bad.get_absolute_url()).content.decode()


def test_a_product_is_edited_grouped_and_featured(visitor: Client, m42: Target) -> None:
    post(visitor, m42, ("a.png", png()), ("b.png", png()))
    first, second = DataProduct.objects.order_by("pk")
    form = {"data_product_type": "other", "featured": "on", "group_names": "Paper 1,  Night   2, Paper 1"}
    visitor.post(f"/dataproducts/{first.pk}/edit/", form)
    first.refresh_from_db()
    assert (first.data_product_type, first.featured) == ("other", True)
    assert {group.name for group in first.product_groups.all()} == {"Paper 1", "Night 2"}
    page = visitor.get(f"/dataproducts/?group={DataProductGroup.objects.get(name='Paper 1').pk}").content.decode()
    assert "a.png" in page
    assert "b.png" not in page
    form["data_product_type"] = "image_file"
    visitor.post(f"/dataproducts/{first.pk}/edit/", form)
    visitor.post(f"/dataproducts/{second.pk}/feature/")
    assert list(DataProduct.objects.order_by("pk").values_list("featured", flat=True)) == [False, True]


def test_the_type_of_a_file_whose_points_are_stored_stays(visitor: Client, m42: Target) -> None:
    post(visitor, m42, ("a.csv", CURVE), ("b.txt", b"clouds"))
    curve, notes = DataProduct.objects.order_by("pk")
    page = visitor.post(f"/dataproducts/{curve.pk}/edit/", {"data_product_type": "spectroscopy"})
    assert "This file was read as photometry." in page.content.decode()
    page = visitor.post(f"/dataproducts/{notes.pk}/edit/", {"data_product_type": "photometry"})
    assert "Its data has not been read." in page.content.decode()


def test_the_list_filters_by_target_and_type(visitor: Client, m42: Target, ada: User) -> None:
    other = Target.objects.create(name="M43", owner=ada)
    post(visitor, m42, ("a.csv", CURVE), ("n.txt", b"clouds"))
    post(visitor, other, ("c.csv", CURVE))
    page = visitor.get(f"/dataproducts/?target={m42.pk}&type=photometry").content.decode()
    assert [name in page for name in ("a.csv", "n.txt", "c.csv")] == [True, False, False]
    for query in ("target=99", "target=x", "group=1", "group=x", "observation=9"):
        assert visitor.get(f"/dataproducts/?{query}").status_code == 404


def test_the_page_of_a_target_leads_to_its_26th_product(visitor: Client, m42: Target) -> None:
    for number in range(26):
        DataProduct.objects.create(target=m42, data=ContentFile(b"1", name=f"{number}.txt"))
    assert f'href="/dataproducts/?target={m42.pk}"' in visitor.get(m42.get_absolute_url()).content.decode()


@pytest.mark.parametrize("verb", ["edit", "feature", "delete"])
def test_somebody_who_may_only_view_changes_nothing(
    client: Client, django_user_model: type[User], m42: Target, verb: str
) -> None:
    product = DataProduct.objects.create(target=m42, data=ContentFile(b"1", name="a.txt"))
    address = f"/dataproducts/{product.pk}/{verb}/"
    assert "/login/" in client.post(address)["Location"]
    client.force_login(django_user_model.objects.create_user("bob"))
    assert client.post(address).status_code == 403
    m42.visibility = "private"
    m42.save()
    assert client.post(address).status_code == 404
    assert DataProduct.objects.filter(featured=False).exists()


def test_the_hook_of_uploads_runs_for_what_a_program_creates_once_its_file_is_there(
    m42: Target, caplog: pytest.LogCaptureFixture
) -> None:
    def messages() -> list[str]:
        found = [message for message in caplog.messages if message.startswith("Data product")]
        caplog.clear()
        return found

    with caplog.at_level("INFO"):
        with run_after_commit():
            product = DataProduct.objects.create(target=m42, data=ContentFile(b"1", name="a.txt"))
        assert messages() == ["Data product a.txt was uploaded"]
        with run_after_commit():
            product.save()
        assert messages() == []
        with run_after_commit():
            product.data.save("b.txt", ContentFile(b"2"))
        assert messages() == ["Data product b.txt was uploaded"]
        with run_after_commit():
            DataProduct.objects.create(target=m42, data="nowhere.txt")
            DataProduct.objects.create(target=m42)
        assert messages() == []
        with run_after_commit():
            record = ObservationRecord.objects.create(target=m42, facility="Torn", observation_id="1")
            file = ContentFile(b"1", name="c.txt")
            DataProduct.objects.create(target=m42, observation_record=record, product_id="7", data=file)
        assert messages() == ["Data product c.txt was saved from a facility"]
        with run_after_commit(), pytest.raises(ZeroDivisionError), transaction.atomic():
            DataProduct.objects.create(target=m42, data=ContentFile(b"1", name="d.txt"))
            _ = 1 / 0
        assert messages() == []


def test_a_checksum_belongs_to_the_file_that_is_there(m42: Target) -> None:
    product = DataProduct.objects.create(target=m42, data=ContentFile(b"1", name="a.txt"))
    assert (product.checksum, product.size) == (hashlib.sha256(b"1").hexdigest(), 1)
    product.data = ContentFile(b"22", name="b.txt")  # type: ignore[assignment]
    product.save(update_fields=["data"])
    product.refresh_from_db()
    assert (product.checksum, product.size) == (hashlib.sha256(b"22").hexdigest(), 2)
    with product.data.open() as file:
        assert file.read() == b"22"


def test_files_that_a_program_saves_together_run_the_hook_of_many_once(
    m42: Target, caplog: pytest.LogCaptureFixture
) -> None:
    record = ObservationRecord.objects.create(target=m42, facility="Torn", observation_id="1")
    files = [storing.FacilityFile(name, f"{name}.txt", b"1") for name in ("a", "b")]
    with caplog.at_level("INFO"), run_after_commit():
        assert len(storing.save_from_facility(record, files)) == 2
        assert storing.save_from_facility(record, files) == []
    assert [message for message in caplog.messages if message.startswith("Data product")] == [
        "Data product a.txt was saved from a facility",
        "Data product b.txt was saved from a facility",
        "Data products a.txt, b.txt were saved from a facility",
    ]
