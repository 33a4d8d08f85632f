"""Files are dropped on the page of uploads, and what was read of them is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from heliostat.dataproducts.models import DataProduct
from heliostat.targets.models import Target
from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

DROP = """
(input) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File(["mjd,filter,mag\\n60000.25,r,18.2\\n"], "curve.csv"));
  dropped.items.add(new File(["clouds all night"], "notes.txt"));
  input.files = dropped.files;
}
"""


def test_files_that_are_dropped_are_uploaded_and_read(window: Window, settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    owner = User.objects.create_user("ada", password="secret")
    target = Target.objects.create(name="M42", owner=owner)
    window.open("/accounts/login/")
    window.page.fill("[name=username]", "ada")
    window.page.fill("[name=password]", "secret")
    window.page.press("[name=password]", "Enter")
    window.page.wait_for_url(window.site + "/")
    window.open(f"/dataproducts/upload/?target={target.pk}")
    window.page.locator("input[type=file]").evaluate(DROP)
    window.looks_right("upload")
    window.page.get_by_role("button", name="Upload").click()
    window.page.get_by_text("curve.csv was uploaded. Points: 1 created").wait_for()
    window.looks_right("uploaded")
    product = DataProduct.objects.get(data_product_type="photometry")
    window.open(f"/dataproducts/{product.pk}/")
    window.looks_right("product")
    window.page.emulate_media(color_scheme="dark")
    window.open("/dataproducts/")
    window.looks_right("products")
