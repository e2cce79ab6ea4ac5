"""Page or fragment: the same address answers both, and says so to caches."""

from flask import Flask, Response, request


def init_app(app: Flask) -> None:
    """Tell templates which of the two they are part of, and caches that answers differ."""

    @app.context_processor
    def _fragment() -> dict[str, bool]:
        return {"is_fragment": is_fragment_request()}

    @app.after_request
    def _vary(response: Response) -> Response:
        if "Vary" in response.headers:
            response.vary.add("HX-Request")
        else:
            response.headers["Vary"] = "HX-Request"
        return response


def is_fragment_request() -> bool:
    """Whether htmx asks for a part. A history restore by htmx wants the page."""
    headers = request.headers
    return "HX-Request" in headers and "HX-History-Restore-Request" not in headers
