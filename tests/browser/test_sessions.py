"""Signing in and out, and a session that ends under an open page."""

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.servers import Site
from tests.cast import PASSWORD


def test_sign_in_goes_where_one_was_going_and_sign_out_ends_the_session(
    still: Site, visit: Visit
) -> None:
    still.make_person("regular@example.org")
    visitor = visit(still)
    visitor.expected = {422}
    page = visitor.page
    page.goto("/zh/credits")
    page.wait_for_url("**/zh/sign-in?next=**")
    page.goto("/credits")
    page.get_by_label("E-mail address").fill("regular@example.org")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[role=alert], .error").first).to_be_visible()
    assert page.get_by_label("E-mail address").input_value() == "regular@example.org"
    assert page.get_by_label("Password").input_value() == ""
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/credits")
    kept = [one for one in visitor.context.cookies() if one["name"] == "session"]
    assert kept[0]["httpOnly"] and kept[0]["sameSite"] == "Lax"
    page.get_by_label("Menu").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{still.url}/")
    assert "session" not in [one["name"] for one in visitor.context.cookies()]
    page.go_back()
    page.goto("/credits")
    page.wait_for_url("**/sign-in?next=**")

    copy = visit(still)
    copy.context.add_cookies(
        [{"name": "session", "value": kept[0].get("value", ""), "url": still.url}]
    )
    copy.page.goto("/studio")
    copy.page.wait_for_url("**/sign-in?next=**")


def test_a_session_that_ends_under_an_open_card_leads_to_sign_in(
    still: Site, visit: Visit, finished: str
) -> None:
    user_id = still.make_person("revoked@example.org")
    still.copy_video(finished, user_id, status="processing", progress=33)
    visitor = visit(still, user_id)
    visitor.expected = {401}
    page = visitor.page
    page.goto("/studio?type=honey-drip")
    still.revoke_sessions(user_id)
    page.wait_for_url("**/sign-in?next=**")
    page.get_by_label("E-mail address").fill("revoked@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/studio?type=honey-drip")
    expect(page.locator("#live .card")).to_contain_text("33%")


def test_a_session_that_ends_under_the_form_leads_to_sign_in(still: Site, visit: Visit) -> None:
    user_id = still.make_person("revoked-form@example.org")
    visitor = visit(still, user_id)
    visitor.expected = {401}
    page = visitor.page
    page.goto("/studio")
    still.revoke_sessions(user_id)
    page.locator("#make").click()
    page.wait_for_url("**/sign-in?next=**")
    assert still.count_videos(user_id) == 0
