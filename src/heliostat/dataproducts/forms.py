from __future__ import annotations

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from heliostat.dataproducts.conf import data_settings
from heliostat.dataproducts.models import DataProduct


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """A file, up to `TOM_DATA_PRODUCT_MAX_BYTES`, of one of `TOM_DATA_PRODUCT_EXTENSIONS`."""

    file = forms.FileField(label="File", max_length=200)

    class Meta:
        model = DataProduct
        fields = ("data_product_type",)

    field_order = ("file", "data_product_type")

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > data_settings.max_bytes:
            most = filesizeformat(data_settings.max_bytes)
            raise forms.ValidationError(f"The file is larger than {most}.", code="size")
        if (file.name or "").rpartition(".")[2].lower() not in data_settings.extensions:
            raise forms.ValidationError(f"Files may end in {', '.join(data_settings.extensions)}.", code="extension")
        return file
