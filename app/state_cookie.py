"""Flask's signed session, for CSRF state and flashes, read from its cookie only when needed."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSessionInterface, SessionMixin


class LazySession(SessionMixin):
    """Flask's session, read from its cookie when it is first asked for anything.

    The poll of a card needs neither a CSRF state nor flashes: it skips a signature and a parse.
    """

    modified = False
    accessed = False

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        self._read = read

    @cached_property
    def _values(self) -> dict[str, Any]:
        return self._read()

    @property
    def is_read(self) -> bool:
        """Whether anything was asked of it, so that it may differ from the cookie."""
        return "_values" in self.__dict__

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.modified = True
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        self.modified = True
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class LazySessions(SecureCookieSessionInterface):
    """Opens a session without looking at its cookie, and saves only what was looked at."""

    def open_session(  # type: ignore[override]  # which knows no session that is not a dict
        self, app: Flask, request: Request
    ) -> LazySession:
        """A session that reads the cookie when it is needed; an unreadable one is empty."""

        def read() -> dict[str, Any]:
            return dict(super(LazySessions, self).open_session(app, request) or {})

        return LazySession(read)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set, renew or drop the cookie where the session was looked at."""
        if not isinstance(session, LazySession) or session.is_read:
            super().save_session(app, session, response)
