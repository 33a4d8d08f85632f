from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from heliostat.dataproducts.conf import data_settings
from heliostat.dataproducts.models import DataProduct, DataProductGroup
from heliostat.text import validate_name

MOST_FILES = 50  # Django reads a hundred, and answers more with an error page
MOST_GROUPS = 50


class FilesInput(forms.FileInput):
    """An area where any number of files may be dropped, or chosen."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One file or more. Its value is a list."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[bytes]]:
        files = data if isinstance(data, (list, tuple)) else [data]
        if len(files) > MOST_FILES:
            raise forms.ValidationError(f"At most {MOST_FILES} files are taken at once, not {len(files)}.", code="many")
        cleaned, problems = [], []
        for file in files or [None]:
            try:
                cleaned.append(super().clean(file, initial))
                _check(cleaned[-1])
            except forms.ValidationError as error:
                name = f"{file.name}: " if file and len(files) > 1 else ""
                problems += [forms.ValidationError(f"{name}{one}", code="file") for one in error.messages]
        if problems:
            raise forms.ValidationError(problems)
        return cleaned


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """Files, each up to `TOM_DATA_PRODUCT_MAX_BYTES`, of `TOM_DATA_PRODUCT_EXTENSIONS`."""

    file = FilesField(
        label="Files",
        max_length=200,
        widget=FilesInput(attrs={"class": "drop-area", "multiple": True}),
        help_text="Drop files here, or choose them.",
    )

    class Meta:
        model = DataProduct
        fields = ("data_product_type", "source")
        help_texts = {"source": "Left empty: the name of the file. The same source corrects the points that are there."}

    field_order = ("file", "data_product_type", "source")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        kinds = self.fields["data_product_type"]
        kinds.choices = [("", "Recognize by the content"), *DataProduct.Type.choices]  # type: ignore[attr-defined]


def _check(file: UploadedFile[bytes]) -> None:
    if (file.size or 0) > data_settings.max_bytes:
        raise forms.ValidationError(f"The file is larger than {filesizeformat(data_settings.max_bytes)}.", code="size")
    if (file.name or "").rpartition(".")[2].lower() not in data_settings.extensions:
        raise forms.ValidationError(f"Files may end in {', '.join(data_settings.extensions)}.", code="extension")


class EditForm(forms.ModelForm):  # type: ignore[type-arg]
    """What may be changed of a product that is there. Its file stays, and so do the points that were read from it."""

    group_names = forms.CharField(
        label="Groups", required=False, max_length=2000, help_text="Names, with commas between them."
    )

    class Meta:
        model = DataProduct
        fields = ("data_product_type", "featured")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["group_names"] = ", ".join(group.name for group in self.instance.product_groups.all())

    def clean_data_product_type(self) -> str:
        """Refuse another type where points were read: those of a light curve are no spectrum."""
        wanted = str(self.cleaned_data["data_product_type"])
        before = DataProduct.objects.values_list("data_product_type", flat=True).get(pk=self.instance.pk)
        if wanted != before and before in (kinds := DataProduct.Type.holding_points()) and not self.instance.problem:
            raise forms.ValidationError(f"This file was read as {before}. Delete it and upload it as another type.")
        if wanted != before and wanted in kinds:
            raise forms.ValidationError("Its data has not been read. Delete it and upload it as this type.")
        return wanted

    def clean_group_names(self) -> list[str]:
        names = [name for one in self.cleaned_data["group_names"].split(",") if (name := " ".join(one.split()))]
        if len(names) > MOST_GROUPS:
            raise forms.ValidationError(f"A product is in at most {MOST_GROUPS} groups.")
        longest = DataProductGroup._meta.get_field("name").max_length or 0
        for name in names:
            validate_name(name)
            if len(name) > longest:
                raise forms.ValidationError(f"A name has at most {longest} characters, not {len(name)}.")
        return list(dict.fromkeys(names))

    def save(self, commit: bool = True) -> DataProduct:  # noqa: ARG002  the groups cannot wait
        product: DataProduct = super().save(commit=False)
        product.save(update_fields=["data_product_type", "featured", "modified"])
        groups = [DataProductGroup.objects.get_or_create(name=name)[0] for name in self.cleaned_data["group_names"]]
        product.product_groups.set(groups)
        if product.featured:
            feature(product)
        return product


def feature(product: DataProduct) -> None:
    """Let a product be the featured one among those of its type and target."""
    others = DataProduct.objects.filter(
        target_id=product.target_id, data_product_type=product.data_product_type, featured=True
    )
    others.exclude(pk=product.pk).update(featured=False)
    if not product.featured:
        product.featured = True
        product.save(update_fields=["featured", "modified"])
