"""Points are viewed by who may view their target and the file that they were read from."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from heliostat.datapoints.models import PhotometryPoint
from heliostat.datapoints.storing import store_photometry
from heliostat.dataproducts.models import DataProduct
from heliostat.targets.models import Target


@pytest.mark.django_db
def test_points_of_a_private_target_or_file_are_hidden() -> None:
    owner, stranger = (User.objects.create_user(name) for name in ("owner", "stranger"))
    seen, hidden = (Target.objects.create(name=name, owner=owner, visibility=name) for name in ("public", "private"))
    private_file = DataProduct.objects.create(target=seen, owner=owner, visibility="private")
    public_file = DataProduct.objects.create(target=seen, owner=owner)
    row = {"time": 60000.25, "magnitude": 18.2}
    store_photometry(seen, [row], source="open")
    store_photometry(seen, [row], source="open file", product=public_file)
    store_photometry(seen, [row], source="private file", product=private_file)
    store_photometry(hidden, [row], source="private target")
    sources = {
        user: set(PhotometryPoint.objects.visible_to(user).values_list("source", flat=True))
        for user in (owner, stranger)
    }
    assert sources[stranger] == {"open", "open file"}
    assert sources[owner] == {"open", "open file", "private file", "private target"}
