"""Creem, the merchant of record: checkouts, transactions, refunds, signed messages.

The wire: /v1 under the base URL, header x-api-key, JSON in snake_case, money in minor units.
What we rely on, and what nobody has confirmed, stands in docs/payments.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from app.payments import (
    Checkout,
    Event,
    Landing,
    PaymentError,
    Settings,
    Status,
    Transaction,
    reading,
    signatures,
)
from app.payments.addresses import trusted, with_request_id
from app.payments.line import Answer, Line, Patience, Silence
from app.payments.values import Fields, id_of, integer, plain

PAGE_SIZE: Final = 50
_PATIENCE: Final = Patience()
_PERHAPS: Final = (408, 425)  # 4xx that say nothing of what was asked


class Creem:
    """A door to one account; may be used from any thread."""

    def __init__(self, settings: Settings, patience: Patience = _PATIENCE) -> None:
        self.settings, self._patience = settings, patience
        self._line = Line(settings.base_url, settings.api_key, patience)

    def create_checkout(
        self,
        *,
        product_id: str,
        request_id: str,
        metadata: dict[str, str],
        success_url: str,
        email: str,
    ) -> Checkout:
        """A payment page for one pack; `url` is never empty.  Raises PaymentError.

        Asked for up to three times: a page that came about unseen is never paid, and a second paid
        one is a purchase of its own.
        """
        body = {
            "product_id": product_id,
            "request_id": request_id,
            "units": 1,
            "customer": {"email": email},
            "success_url": success_url,
            "metadata": metadata,
        }
        said = self._settled("POST", "/v1/checkouts", body=body)
        return self._checkout(said, needs_url=True)

    def find_checkout(self, checkout_id: str) -> Checkout:
        """What became of a payment page.  Raises PaymentError."""
        said = self._get("/v1/checkouts", checkout_id=checkout_id)
        found = self._checkout(said)
        if found.id != checkout_id:
            raise PaymentError("garbled", "Creem answered with another checkout")
        return found

    def find_transaction(self, transaction_id: str) -> Transaction:
        """A payment in Creem's books, and what of it went back.  Raises PaymentError."""
        found = reading.transaction(self._get("/v1/transactions", transaction_id=transaction_id))
        if found is None or found.id != transaction_id:
            raise PaymentError("garbled", "Creem answered with another transaction, or none")
        return found

    def transactions(self, page: int) -> tuple[list[Transaction], int | None]:
        """A page of Creem's books (from 1), and the number of the next.  Raises PaymentError."""
        said = self._get("/v1/transactions/search", page_number=page, page_size=PAGE_SIZE)
        items, paging = said.get("items"), said.get("pagination")
        if not isinstance(items, list):
            raise PaymentError("garbled", "Creem's list of transactions is none")
        following = integer(paging.get("next_page")) if isinstance(paging, dict) else None
        found = [each for each in map(reading.transaction, items) if each is not None]
        return found, following if following and following > page else None

    def refund(self, transaction_id: str) -> Status:
        """Give back all that is left of a payment.  Asked once, ever.

        Raises PaymentError: refused, not_found, rate_limited mean that nothing was done;
        unavailable and garbled that nobody knows.
        """
        said = _fields(
            self._line.ask("POST", "/v1/refunds", body={"transaction_id": transaction_id})
        )
        status = reading.STATUSES.get(plain(said.get("status")))
        if status is None:
            raise PaymentError("garbled", "Creem's answer to a refund has no status that we know")
        return status

    def portal_url(self, customer_id: str) -> str:
        """A link to Creem's own pages for a buyer.  Raises PaymentError."""
        said = _fields(
            self._line.ask("POST", "/v1/customers/billing", body={"customer_id": customer_id})
        )
        url = trusted(said.get("customer_portal_link"), self.settings.base_url)
        if not url:
            raise PaymentError("garbled", "Creem gave no link to its portal that can be followed")
        return url

    def read_event(self, headers: Mapping[str, str], body: bytes) -> Event:
        """A message of Creem, whatever it says.  `headers` have lower-case names.

        Raises NotSigned, and nothing else.
        """
        signatures.check_message(headers, body, self.settings.webhook_secret)
        return reading.event(body)

    def read_landing(self, raw_query: str) -> Landing:
        """The parameters with which a buyer comes back.  Raises NotSigned.

        They say where to look and nothing more: the address may be old, or somebody else's.
        """
        said = signatures.check_landing(raw_query, self.settings.api_key)
        return Landing(
            checkout_id=id_of(said.get("checkout_id")),
            order_id=id_of(said.get("order_id")),
            customer_id=id_of(said.get("customer_id")),
            product_id=id_of(said.get("product_id")),
            request_id=id_of(said.get("request_id")),
        )

    def payment_link(self, pack: str, request_id: str) -> str | None:
        """The static link of a pack; whether Creem hands our request_id on is not confirmed."""
        link = self.settings.links.get(pack)
        return with_request_id(link, request_id) if link else None

    def close(self) -> None:
        """Give back the connections."""
        self._line.close()

    def _settled(self, method: str, path: str, body: Mapping[str, Any]) -> Fields:
        """Asked again while Creem is down, slow or busy."""
        tries, said = 1, self._line.ask(method, path, body=body)
        while tries <= len(self._patience.backoffs_s) and _is_passing(said):
            self._patience.wait(tries, said.retry_after_s if isinstance(said, Answer) else None)
            tries, said = tries + 1, self._line.ask(method, path, body=body)
        return _fields(said)

    def _get(self, path: str, **query: str | int) -> Fields:
        """Once more where no connection came about."""
        said = self._line.ask("GET", path, query)
        if isinstance(said, Silence) and not said.was_sent:
            self._patience.wait(1, None)
            said = self._line.ask("GET", path, query)
        return _fields(said)

    def _checkout(self, said: Fields, *, needs_url: bool = False) -> Checkout:
        found = reading.checkout(said)
        if found is None:
            raise PaymentError("garbled", "Creem's checkout has no id")
        url = trusted(said.get("checkout_url"), self.settings.base_url)
        if needs_url and not url:
            raise PaymentError("garbled", "Creem's checkout has no address to send a buyer to")
        return replace(found, url=url)


def _is_passing(said: Answer | Silence) -> bool:
    """Whether another try may go better."""
    return isinstance(said, Silence) or said.status >= 500 or said.status in (429, *_PERHAPS)


def _fields(said: Answer | Silence) -> Fields:
    """The object of a good answer.  Raises PaymentError, which quotes nothing of what came."""
    if isinstance(said, Silence):
        raise PaymentError("unavailable", f"no answer of Creem: {said.reason}")
    body: Any = said.body
    is_object, message = isinstance(body, dict), f"Creem answered {said.status}"
    if said.status in (200, 201) and is_object:
        return dict(body)
    if said.status == 429:
        raise PaymentError("rate_limited", message, retry_after_s=said.retry_after_s)
    if said.status >= 500 or said.status in _PERHAPS:
        raise PaymentError("unavailable", message, retry_after_s=said.retry_after_s)
    if said.status == 404 and is_object:
        raise PaymentError("not_found", message)
    if 400 <= said.status < 500 and said.status != 404:
        raise PaymentError("refused", message)
    # a redirect, a page instead of JSON, a gateway's own 404: it says nothing of what was asked
    raise PaymentError("garbled", f"{message} and nothing that we understand")
