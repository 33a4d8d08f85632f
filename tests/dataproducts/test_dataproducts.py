"""Files of targets: uploaded, or retrieved from facilities."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from heliostat.dataproducts import storing
from heliostat.dataproducts.hooks import retrieve_products
from heliostat.dataproducts.models import DataProduct, file_name
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target
from heliostat.testing import captured_events, drain_outbox, run_after_commit, subscribed
from tests.observations.facilities import Torn

pytestmark = pytest.mark.django_db
CURVE = b"mjd,filter,mag\n60000.25,r,18.2\n60001.25,g,18.4\n"


def fits() -> bytes:
    """The smallest FITS file: a header without data."""
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
        "END",
    ]
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode()


FACILITIES = [
    "heliostat.observations.facilities.simulated.SimulatedFacility",
    "tests.observations.facilities.Torn",
]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    settings.TOM_FACILITY_CLASSES = FACILITIES
    return tmp_path


@pytest.fixture
def m42() -> Target:
    return Target.objects.create(name="M42")


@pytest.fixture
def visitor(client: Client, django_user_model: type[User]) -> Client:
    client.force_login(django_user_model.objects.create_user("ada"))
    return client


def completed(target: Target, facility: str = "Simulated") -> ObservationRecord:
    return ObservationRecord.objects.create(
        target=target, facility=facility, observation_id="SIM-1", status="COMPLETED"
    )


def files_in(media: Path) -> list[str]:
    return sorted(path.name for path in media.rglob("*") if path.is_file())


def test_an_uploaded_file_is_published_of_and_comes_back_as_an_attachment(visitor: Client, m42: Target) -> None:
    file = SimpleUploadedFile("../curve<1>.csv", CURVE)
    with captured_events("dataproducts.*") as events:
        response = visitor.post(
            f"/dataproducts/upload/?target={m42.pk}", {"file": file, "data_product_type": "photometry"}
        )
    product = DataProduct.objects.get()
    assert response["Location"] == f"/dataproducts/{product.pk}/"
    assert [event.action for event in events] == ["created", "uploaded"]
    assert product.filename == "curve1.csv"
    answer = visitor.get(f"/dataproducts/{product.pk}/download/")
    assert b"".join(answer) == CURVE  # type: ignore[arg-type]
    assert answer["Content-Disposition"] == 'attachment; filename="curve1.csv"'
    assert answer["Content-Type"] == "application/octet-stream"
    for address in ("/dataproducts/", product.get_absolute_url(), m42.get_absolute_url()):
        assert "curve1.csv" in visitor.get(address).content.decode()


def test_a_file_of_an_observation_belongs_to_its_target_too(visitor: Client, m42: Target) -> None:
    record = completed(m42)
    file = SimpleUploadedFile("a.fits", fits())
    visitor.post(f"/dataproducts/upload/?observation={record.pk}", {"file": file})
    product = DataProduct.objects.get()
    assert (product.target, product.observation_record) == (m42, record)
    assert "a.fits" in visitor.get(record.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.html", b"<script>", "Files may end in"),
        ("a.csv", b"12345", "larger than"),
        ("a.csv", b"", "empty"),
        ("csv", b"1", "may end in"),
    ],
)
def test_a_file_that_is_not_allowed_is_refused_on_the_form(
    visitor: Client, m42: Target, settings: Any, media: Path, name: str, content: bytes, message: str
) -> None:
    settings.TOM_DATA_PRODUCT_MAX_BYTES = 4 if name == "a.csv" else 100
    if name == "csv":
        message = "Files"
        name = "noextension"
    page = visitor.post(f"/dataproducts/upload/?target={m42.pk}", {"file": SimpleUploadedFile(name, content)})
    assert message in page.content.decode()
    assert not DataProduct.objects.exists()
    assert files_in(media) == []


def test_a_stranger_downloads_nothing(client: Client, m42: Target) -> None:
    product = DataProduct.objects.create(target=m42, data=ContentFile(b"1", name="a.csv"))
    assert client.get(f"/dataproducts/{product.pk}/download/").status_code == 302


def test_a_file_that_is_gone_is_a_404(visitor: Client, m42: Target, media: Path) -> None:
    product = DataProduct.objects.create(target=m42, data=ContentFile(b"1", name="a.csv"))
    product.data.storage.delete(str(product.data.name))
    assert visitor.get(f"/dataproducts/{product.pk}/download/").status_code == 404


@pytest.mark.parametrize("query", ["", "?target=x", "?target=99", "?observation=99"])
def test_an_upload_to_nothing_is_a_404(visitor: Client, query: str) -> None:
    assert visitor.get(f"/dataproducts/upload/{query}").status_code == 404


def test_a_refused_upload_leaves_no_file_behind(visitor: Client, m42: Target, media: Path) -> None:
    def refuse(event: Any) -> None:
        raise ValueError("too faint")

    with subscribed(refuse, "dataproducts.dataproduct.uploaded", when="in_transaction"):
        page = visitor.post(f"/dataproducts/upload/?target={m42.pk}", {"file": SimpleUploadedFile("a.csv", b"1")})
    assert "too faint" in page.content.decode()
    assert not DataProduct.objects.exists()
    assert files_in(media) == []


def test_a_completed_observation_s_light_curve_is_retrieved_once(m42: Target, media: Path) -> None:
    record = completed(m42)
    with captured_events("dataproducts.dataproduct.retrieved", "observations.*") as events:
        (product,) = storing.retrieve(record)
        assert storing.retrieve(record) == []
    assert [event.type for event in events] == [
        "dataproducts.dataproduct.retrieved",
        "observations.observationrecord.data_retrieved",
    ]
    assert events[1].payload == {"observation": record.pk, "data_products": [product.pk]}
    assert files_in(media) == ["M42_lightcurve.csv"]
    assert product.data_product_type == "photometry"


def test_a_failed_download_leaves_no_empty_product_and_the_rest_comes_next_time(
    m42: Target, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = completed(m42, "Torn")
    with pytest.raises(storing.RetrievalError, match=r"two.csv is empty"):
        storing.retrieve(record)
    assert files_in(media) == ["one.csv"]
    assert [product.product_id for product in DataProduct.objects.all()] == ["1"]
    monkeypatch.setattr(Torn, "is_mended", True)
    assert [product.product_id for product in storing.retrieve(record)] == ["2"]
    assert files_in(media) == ["one.csv", "two.csv"]


def test_downloaddata_takes_the_completed_ones_and_names_what_fails(m42: Target) -> None:
    completed(m42, "Torn")
    completed(m42, "LCO")
    completed(m42)
    ObservationRecord.objects.create(target=m42, facility="Simulated", observation_id="SIM-2")
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("downloaddata", stdout=out, stderr=err)
    assert stopped.value.code == 1
    assert "M42 @ Torn (SIM-1): failed." in err.getvalue()
    assert "M42 @ LCO (SIM-1): skipped" in out.getvalue()
    assert "M42 @ Simulated (SIM-1): M42_lightcurve" in out.getvalue()
    assert "1 saved, 1 failed" in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_completion_is_enough_a_worker_retrieves_the_products(m42: Target) -> None:
    record = ObservationRecord.objects.create(target=m42, facility="Simulated", observation_id="SIM-9")
    call_command("updatestatus", stdout=StringIO())
    assert not DataProduct.objects.exists()
    drain_outbox()
    assert DataProduct.objects.get().observation_record == record


def test_completion_at_a_facility_that_nobody_knows_is_no_failure(m42: Target) -> None:
    with captured_events("observations.*") as events:
        record = completed(m42, "LCO")
    retrieve_products(events[0])
    record.delete()
    retrieve_products(events[0])
    assert not DataProduct.objects.exists()


def test_the_file_goes_with_its_product_and_with_its_target(m42: Target, media: Path) -> None:
    storing.retrieve(completed(m42))
    with run_after_commit():
        m42.delete()
    assert files_in(media) == []


def test_uploads_and_retrievals_reach_their_hook_points(
    visitor: Client, m42: Target, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"), run_after_commit():
        visitor.post(f"/dataproducts/upload/?target={m42.pk}", {"file": SimpleUploadedFile("a.csv", b"1")})
        storing.retrieve(completed(m42))
    messages = [message for message in caplog.messages if message.startswith("Data product")]
    assert messages == [
        "Data product a.csv was uploaded",
        "Data product M42_lightcurve.csv was saved from a facility",
        "Data products M42_lightcurve.csv were saved from a facility",
    ]


def test_a_file_that_is_added_in_the_admin_was_uploaded_too(
    client: Client, django_user_model: type[User], m42: Target
) -> None:
    client.force_login(django_user_model.objects.create_superuser("root", password="x"))
    with captured_events("dataproducts.dataproduct.uploaded") as events:
        client.post(
            "/admin/heliostat_dataproducts/dataproduct/add/",
            {"target": m42.pk, "data": SimpleUploadedFile("a.csv", b"1")},
        )
    assert [event.instance for event in events] == [DataProduct.objects.get()]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("curve.csv", "curve.csv"),
        ("../../etc/curve 1.csv", "curve_1.csv"),
        ("C:\\data\\curve.csv", "curve.csv"),
        ("a\x00b\u202e\x1b\ud800.csv", "ab.csv"),
        ("é" * 190 + ".csv", "é" * 118 + ".csv"),
        ("a." + "é" * 190, "a." + "é" * 119),
        ("..", "data"),
        ("<>", "data"),
        ("", "data"),
    ],
)
def test_a_file_is_kept_by_a_name_that_every_file_system_takes(given: str, kept: str) -> None:
    assert file_name(given) == kept


def test_a_long_name_is_uploaded_twice(visitor: Client, m42: Target, media: Path) -> None:
    for _ in range(2):
        file = SimpleUploadedFile("é" * 190 + ".csv", b"1,2\n")
        assert visitor.post(f"/dataproducts/upload/?target={m42.pk}", {"file": file}).status_code == 302
    assert len(files_in(media)) == 2
