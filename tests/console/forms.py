"""The forms of pages, as a browser finds them and sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote_from_bytes, urljoin

from django.test import Client

BOUNDARY = "heliostat"
LEFT_OUT = ("", "csrfmiddlewaretoken", "_addanother", "_continue")


@dataclass
class Form:
    """What one form of a page sends: the values of its fields, and the names of its files."""

    address: str
    values: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [*self.values, *self.files]

    def post(self, client: Client, odd: Mapping[str, Any]) -> Any:
        """Send it with some values replaced: by a text, by bytes as they are, or by a list of several."""
        values = {name: odd.get(name, value) for name, value in self.values.items()}
        pairs = [(name.encode(), in_bytes(one)) for name, value in values.items() for one in as_list(value)]
        if not self.files:
            body = "&".join(f"{quote_from_bytes(name)}={quote_from_bytes(text)}" for name, text in pairs)
            return client.post(self.address, body, "application/x-www-form-urlencoded")
        parts = [b'form-data; name="%s"\r\n\r\n%s' % pair for pair in pairs]
        for name in self.files:
            filename = in_bytes(as_list(odd.get(name, "1.csv"))[0])
            parts.append(b'form-data; name="%s"; filename="%s"\r\n\r\n1,2' % (name.encode(), filename))
        whole = b"".join(b"--heliostat\r\nContent-Disposition: %s\r\n" % part for part in parts)
        return client.post(self.address, whole + b"--heliostat--\r\n", f"multipart/form-data; boundary={BOUNDARY}")


def in_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def forms_of(client: Client, address: str, valid: Mapping[str, str]) -> Iterator[Form]:
    """The forms of a page, filled in by it and, where it leaves a field empty, by these values."""
    response = client.get(address)
    if response.status_code == 200 and response.headers["Content-Type"].startswith("text/html"):
        finder = _Finder(address)
        finder.feed(response.content.decode())
        for form in finder.found:
            form.values.update({name: text for name, text in valid.items() if form.values.get(name) == ""})
            yield form


class _Finder(HTMLParser):
    """Reads the fields of the forms of a page that are posted."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.found: list[Form] = []
        self.form = Form("")
        self.name = ""
        self.is_multiple = False
        self.text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        handle: Callable[[dict[str, str]], None] | None = getattr(self, f"_{tag}", None)
        if handle is not None:
            handle({name: value or "" for name, value in attrs})

    def _form(self, one: dict[str, str]) -> None:
        self.form = Form(urljoin(self.page, one.get("action", "")))
        if one.get("method", "").lower() == "post":
            self.found.append(self.form)

    def _input(self, one: dict[str, str]) -> None:
        name, kind = one.get("name", ""), one.get("type", "text")
        if name in LEFT_OUT:
            return
        if kind == "file":
            self.form.files.append(name)
        elif kind != "radio" or "checked" in one:
            self.form.values.setdefault(name, one.get("value", "on" if kind == "checkbox" else ""))

    def _select(self, one: dict[str, str]) -> None:
        self.name = one.get("name", "")
        self.form.values[self.name] = ""
        self.is_multiple = "multiple" in one

    def _option(self, one: dict[str, str]) -> None:
        if "selected" in one or not self.form.values[self.name]:
            self.form.values[self.name] = one.get("value", "")

    def _textarea(self, one: dict[str, str]) -> None:
        self.name, self.text = one.get("name", ""), []

    def _button(self, one: dict[str, str]) -> None:
        if "formaction" in one:
            self.found.append(replace(self.form, address=urljoin(self.page, one["formaction"])))
        elif one.get("name"):
            self.form.values.setdefault(one["name"], one.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self.is_multiple and not self.form.values.get(self.name, "-"):
            del self.form.values[self.name]  # where nothing can be chosen, a browser sends nothing
        if tag == "textarea" and self.text is not None:
            self.form.values[self.name], self.text = "".join(self.text).strip("\r\n"), None
