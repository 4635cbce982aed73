"""A browser without scripts: it keeps cookies, reads forms and sends them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from tests.web.site import PASSWORD

_HIDDEN = re.compile(r'<input type="hidden" name="csrf" value="([^"]*)">')


class Browser:
    """One browser.

    Args:
        client: Sends the requests.
    """

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, **headers: str) -> Response:
        """Open an address."""
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def csrf(self, page: str = "/account") -> str:
        """Return the secret that the forms of a page hold."""
        found = _HIDDEN.search(self.client.get(page).text)
        assert found, page
        return unescape(found[1])

    def submit(self, path: str, *, page: str = "/account", csrf: str | None = None, **fields: Any) -> Response:
        """Send a form as the page that holds it would."""
        return self.client.post(path, data={"csrf": self.csrf(page) if csrf is None else csrf, **fields})

    def sign_in(self, name: str, password: str = PASSWORD) -> Response:
        """Sign in by the form."""
        answer = self.submit("/sign-in", page="/sign-in", name=name, password=password)
        assert answer.status_code == 303, answer.text
        return answer
