from __future__ import annotations

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from heliostat.dataproducts.models import DataProduct

MAX_BYTES = 100 * 1024 * 1024
EXTENSIONS = ("csv", "txt", "dat", "ecsv", "json", "xml", "fits", "fit", "fz", "gz", "png", "jpg", "jpeg", "pdf")


def max_bytes() -> int:
    return int(getattr(settings, "TOM_DATA_PRODUCT_MAX_BYTES", MAX_BYTES))


def extensions() -> tuple[str, ...]:
    return tuple(getattr(settings, "TOM_DATA_PRODUCT_EXTENSIONS", EXTENSIONS))


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """A file, up to `TOM_DATA_PRODUCT_MAX_BYTES`, of one of `TOM_DATA_PRODUCT_EXTENSIONS`."""

    file = forms.FileField(label="File", max_length=200)

    class Meta:
        model = DataProduct
        fields = ("data_product_type",)

    field_order = ("file", "data_product_type")

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > max_bytes():
            raise forms.ValidationError(f"The file is larger than {filesizeformat(max_bytes())}.", code="size")
        if (file.name or "").rpartition(".")[2].lower() not in extensions():
            raise forms.ValidationError(f"Files may end in {', '.join(extensions())}.", code="extension")
        return file
