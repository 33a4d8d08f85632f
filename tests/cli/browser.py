"""A browser without a window: a session with cookies that reads pages and fills in their forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

Values = dict[str, list[str]]


@dataclass
class Form:
    """A form as the page has it, with what is filled in already."""

    action: str
    method: str
    values: Values = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._text: str | None = None  # the name of the open textarea
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        if self._form is not None:
            if name := given.get("name", ""):
                self._form.names.add(name)
            self._read_field(tag, name, given, self._form.values)

    def _read_field(self, tag: str, name: str, given: dict[str, str], values: Values) -> None:
        if tag == "input" and name and self._is_sent(given):
            values.setdefault(name, []).append(given.get("value", self._unsaid(given)))
        elif tag == "textarea":
            self._text = name
            values[name] = [""]
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in values):
            values[self._select] = [given.get("value", "")]

    @staticmethod
    def _unsaid(given: dict[str, str]) -> str:
        return "on" if given.get("type") == "checkbox" else ""

    @staticmethod
    def _is_sent(given: dict[str, str]) -> bool:
        kind = given.get("type", "text")
        if kind in ("checkbox", "radio"):
            return "checked" in given
        return kind not in ("submit", "button", "file", "image", "reset")

    def handle_data(self, data: str) -> None:
        if self._text and self._form:
            self._form.values[self._text][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._text = None
        elif tag == "select":
            self._select = None


class Browser:
    """Opens pages of one site."""

    def __init__(self, site: str) -> None:
        self.site = site
        self._session = requests.Session()
        self._session.trust_env = False
        self.page: requests.Response

    @property
    def text(self) -> str:
        return self.page.text

    def open(self, path: str) -> str:
        """Open a page; a server error or a missing page is a failure."""
        return self._arrive(self._session.get(urljoin(self.site, path), timeout=20))

    def fill(self, having: str, /, **values: str | list[str]) -> str:
        """Fill in the form of this page that has a field of this name, and send it."""
        forms = _Forms()
        forms.feed(self.page.text)
        form = next((form for form in forms.forms if having in form.names), None)
        assert form is not None, f"no form with {having!r} at {self.page.url}:\n{self.page.text}"
        return self._send(form, values)

    def press(self, action: str) -> str:
        """Press the button of the form of this page that is sent to this address."""
        forms = _Forms()
        forms.feed(self.page.text)
        form = next((form for form in forms.forms if form.action == action), None)
        assert form is not None, f"no form to {action!r} at {self.page.url}:\n{self.page.text}"
        return self._send(form, {})

    def _send(self, form: Form, values: dict[str, str | list[str]]) -> str:
        unknown = values.keys() - form.names - {"_save"}
        assert not unknown, f"the form has no fields {unknown}, only {form.names}"
        filled: Values = {**form.values}
        filled |= {name: [value] if isinstance(value, str) else value for name, value in values.items()}
        address = urljoin(self.page.url, form.action)
        if form.method == "get":
            return self._arrive(self._session.get(address, params=filled, timeout=20))
        headers = {"Referer": self.page.url}
        return self._arrive(self._session.post(address, data=filled, headers=headers, timeout=20))

    def log_in(self, username: str, password: str) -> str:
        """Log in through the admin's page."""
        self.open("/admin/login/")
        self.fill("username", username=username, password=password)
        assert "sessionid" in self._session.cookies, f"log-in failed:\n{self.text}"
        return self.text

    def _arrive(self, page: requests.Response) -> str:
        self.page = page
        assert page.ok, f"{page.request.method} {page.url}: {page.status_code}\n{page.text[:3000]}"
        return page.text
