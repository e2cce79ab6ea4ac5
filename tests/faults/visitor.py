"""A person at a real server, without scripts: cookies, forms, buttons."""

import re

import httpx

from tests.cast import PASSWORD


class Visitor:
    """A browser without scripts: signs in, fills in forms as pages give them, presses buttons."""

    def __init__(self, http: httpx.Client, email: str) -> None:
        self.http = http
        page = self.http.get("/sign-in").text
        form = {"email": email, "password": PASSWORD, "csrf_token": hidden(page, "csrf_token")}
        assert self.http.post("/sign-in", data=form).status_code == 303

    def fill_in(self, prompt: str, count: int = 1) -> dict[str, str]:
        """The studio's form with its price, ready to be sent."""
        page = self.http.get("/studio").text
        form = {name: hidden(page, name) for name in ("csrf_token", "token")} | {
            "type": "glass-fruit",
            "prompt": prompt,
            "aspect_ratio": "1:1",
            "duration": "10" if "endless" in prompt else "4",
            "resolution": "720p",
            "seed": "",
            "count": str(count),
        }
        priced = self.http.post("/studio/quote", data=form).text
        return {**form, "price": hidden(priced, "price")}

    def send(self, path: str, form: dict[str, str]) -> int:
        """The status of the answer; 0 when the server died meanwhile."""
        try:
            return self.http.post(path, data=form).status_code
        except httpx.TransportError:
            return 0

    def press(self, path: str, **fields: str) -> int:
        """A button of a page that is open already."""
        token = hidden(self.http.get("/studio").text, "csrf_token")
        return self.send(path, {"csrf_token": token, **fields})


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name} in {page[:2000]}"
    return found[1]
