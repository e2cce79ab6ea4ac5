"""Alice and bob at a site that sells, with Creem on loopback; the books are checked after each."""

from tests.services.payments import fixtures

house, app, seller, payment = fixtures.house, fixtures.app, fixtures.seller, fixtures.payment
