"""The HTML of the pages that a buyer sees: plain, light and dark, telephone and desk."""

from html import escape
from typing import TYPE_CHECKING

from tests.simulators.creem.books import Amounts, Checkout
from tests.simulators.creem.till import CARDS

if TYPE_CHECKING:
    from tests.simulators.creem.house import CreemHouse

STYLE = """
:root { color-scheme: light dark; --page: #f3f4f1; --card: #fff; --text: #1d221f; --soft: #586059;
  --line: #cdd3cc; --strong: #1e5f46; --on-strong: #fff; --warn: #8a3b12; --warn-page: #fdeee4; }
@media (prefers-color-scheme: dark) { :root { --page: #141715; --card: #1d211f; --text: #eef1ee;
  --soft: #a3aca5; --line: #3a413c; --strong: #7fd1ac; --on-strong: #0d1f17; --warn: #f2b48f;
  --warn-page: #3a2417; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
.note { background: var(--warn-page); color: var(--warn); text-align: center; margin: 0;
  padding: .6rem 1rem; font-weight: 600; }
main { max-width: 30rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
section, form.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.25rem; margin: 0 0 1rem; }
h1 { font-size: 1.3rem; line-height: 1.25; margin: 0 0 .75rem; }
dl { display: grid; grid-template-columns: 1fr auto; gap: .25rem 1rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.sum { color: var(--text); font-weight: 700; padding-top: .4rem; }
label, legend { display: block; font-weight: 600; margin: 0 0 .25rem; padding: 0; }
fieldset { border: 0; margin: 0 0 1rem; padding: 0; min-width: 0; }
fieldset label { display: flex; gap: .6rem; align-items: center; font-weight: 400; margin: 0;
  min-height: 44px; border-top: 1px solid var(--line); }
fieldset label code { margin-left: auto; color: var(--soft); font-size: .85rem; }
input[type=email], input[type=text] { width: 100%; min-height: 44px; padding: .5rem .75rem;
  margin: 0 0 1rem; font: inherit; color: inherit; background: var(--page);
  border: 1px solid var(--line); border-radius: 8px; }
input[type=radio] { width: 1.2rem; height: 1.2rem; accent-color: var(--strong); }
.row { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 1rem; }
.row input { flex: 1; min-width: 8rem; margin: 0; }
button { min-height: 44px; padding: .5rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  border-radius: 8px; border: 1px solid var(--line); background: transparent; color: inherit; }
button.pay { width: 100%; background: var(--strong); border-color: var(--strong);
  color: var(--on-strong); }
a { color: var(--strong); } .away { text-align: center; }
.away a { display: inline-block; padding: .6rem; }
.wrong { background: var(--warn-page); color: var(--warn); padding: .75rem 1rem;
  border-radius: 8px; }
:focus-visible { outline: 3px solid var(--strong); outline-offset: 2px; }
.soft { color: var(--soft); font-size: .9rem; }
section form.row { margin: .75rem 0 0; }
code { overflow-wrap: anywhere; }
"""
NOTE = "Simulated: no money moves"


def page(title: str, body: str) -> bytes:
    """A whole page around a body that is escaped already."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>"
        f'<p class="note" role="note">{NOTE}</p>'
        f"<main>{body}</main></body></html>"
    ).encode()


def money(cents: int, currency: str) -> str:
    """9.90 USD"""
    return f"{cents // 100}.{cents % 100:02d} {escape(currency)}"


def pay_page(
    house: "CreemHouse",
    checkout: Checkout,
    amounts: Amounts,
    *,
    email: str,
    code: str,
    problem: str = "",
) -> bytes:
    """What there is to pay, and with what."""
    product = house.products[checkout.product_id]
    total = money(amounts.paid, product.currency)
    cards = "" if amounts.paid == 0 else _cards()
    wrong = f'<p class="wrong" role="alert">{escape(problem)}</p>' if problem else ""
    there = f"/checkout/{checkout.id}"
    body = (
        f"<section><h1>{escape(product.name)}</h1>{_sums(checkout, amounts, product.currency)}"
        f"</section>{wrong}"
        f'<form class="card" method="post" action="{there}">'
        # Enter in a field presses the first button of a form: it must be the one that pays
        '<button name="do" value="pay" hidden>Pay</button>'
        f'<input type="hidden" name="applied" value="{escape(code)}">'
        '<label for="email">E-mail for the receipt</label>'
        f'<input type="email" id="email" name="email" value="{escape(email)}" required '
        'autocomplete="email">'
        '<label for="code">Discount code</label><div class="row">'
        f'<input type="text" id="code" name="discount" value="{escape(code)}" autocomplete="off">'
        '<button name="do" value="discount" formnovalidate>Apply</button></div>'
        f"{cards}"
        f'<button class="pay" name="do" value="pay">Pay {total}</button></form>'
        f'<p class="away"><a href="{there}/leave">Leave without paying</a></p>'
        f'<p class="soft">Codes here: {escape(_codes(house))}. Any card is one of Creem\'s test '
        "cards; the address may be another than the account's.</p>"
    )
    return page(f"Pay {total}", body)


def _sums(checkout: Checkout, amounts: Amounts, currency: str) -> str:
    units = f" × {checkout.units}" if checkout.units > 1 else ""
    rows = [(f"Price{units}", money(amounts.price, currency))]
    if amounts.discount:
        rows.append(("Discount", f"−{money(amounts.discount, currency)}"))
    if amounts.tax:
        rows.append(("Tax", money(amounts.tax, currency)))
    lines = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows)
    total = money(amounts.paid, currency)
    return f'<dl>{lines}<dt class="sum">Total</dt><dd class="sum">{total}</dd></dl>'


def _cards() -> str:
    rows = [
        f'<label><input type="radio" name="card" value="{card.name}"'
        f"{' checked' if card.name == 'ok' else ''}> {escape(card.label)}"
        f"<code>{card.number[:4]} … {card.number[-4:]}</code></label>"
        for card in CARDS.values()
    ]
    return f"<fieldset><legend>Card</legend>{''.join(rows)}</fieldset>"


def _codes(house: "CreemHouse") -> str:
    found = [f"{one.code} ({one.percent} % off)" for one in house.discounts.values()]
    return ", ".join(found) or "none"


def message(
    title: str, text: str, link: str | None = None, label: str = "Back to the shop"
) -> bytes:
    """A page that only says something."""
    away = f'<p class="away"><a href="{escape(link)}">{escape(label)}</a></p>' if link else ""
    return page(title, f"<section><h1>{escape(title)}</h1><p>{escape(text)}</p></section>{away}")


def merchant_page(house: "CreemHouse") -> bytes:
    """What a shop does in Creem's dashboard: give money back, or see it disputed."""
    payments = "".join(_payment(house, name) for name in reversed(list(house.transactions)))
    body = (
        "<section><h1>Creem, simulated</h1><p>The shop's side. A refund or a dispute here sends "
        "its event to the site, as Creem does. Everything else that can happen: "
        '<a href="/_simulate">/_simulate</a>.</p></section>'
        f"{payments or '<p>Nobody has paid yet.</p>'}"
    )
    return page("Creem, simulated", body)


def _payment(house: "CreemHouse", transaction_id: str) -> str:
    one = house.transactions[transaction_id]
    left = house.till.refundable(one)
    wishes = [("half", "Refund half"), ("all", "Refund all")] if left > 0 else []
    wishes += [("dispute", "Dispute")] if left > 0 and not one.is_disputed else []
    buttons = "".join(
        f'<button name="do" value="{name}">{label}</button>' for name, label in wishes
    )
    rows = [
        ("Product", escape(house.products[one.product_id].name)),
        ("Paid by", escape(house.customers[one.customer_id].email)),
        ("Paid", money(one.amounts.paid if one.status != "declined" else 0, one.currency)),
        ("Went back", money(one.refunded, one.currency)),
        ("State", one.status),
    ]
    lines = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows)
    form = f'<form class="row" method="post" action="/merchant/{one.id}">{buttons}</form>'
    return (
        f"<section><p><code>{one.id}</code></p><dl>{lines}</dl>{form if buttons else ''}</section>"
    )


def portal_page(house: "CreemHouse", customer_id: str) -> bytes:
    """What a buyer sees of their own payments."""
    rows = "".join(
        f"<dt>{escape(house.products[order.product_id].name)}</dt>"
        f"<dd>{money(order.amounts.paid, order.currency)}</dd>"
        for order in reversed(list(house.orders.values()))
        if order.customer_id == customer_id
    )
    email = escape(house.customers[customer_id].email)
    body = f"<section><h1>Your payments</h1><p>{email}</p><dl>{rows}</dl></section>"
    return page("Your payments", body)
