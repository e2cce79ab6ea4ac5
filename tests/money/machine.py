"""Whatever people and workers do, in any order, twice or at the same moment: money adds up."""

from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from app.errors import NotEnoughCredits, NotFound, UserError
from app.providers import Report
from app.services import attempts, credits, endings, sweeps, videos
from app.services.credits import AlreadySpent
from app.services.form_tokens import FormReused
from tests.money.conftest import Fresh
from tests.money.house import EMAILS, PRICES, Form, House
from tests.money.racing import race

names = st.sampled_from(sorted(EMAILS))
shapes = st.sampled_from([(8, "720p"), *PRICES])  # the discounted one more often
numbers = st.sampled_from([1, 1, 1, 2, 3, 4])
REPORTS = {
    "running": Report("running", percent=40.0, eta_s=3.0),
    "ready": Report("ready"),
    "failed": Report("failed", code="content_rejected", message="no"),
    "lost": Report("lost"),
}
reports = st.sampled_from(["ready", "ready", *sorted(REPORTS)])
places = st.integers(0, 3)


class Money(RuleBasedStateMachine):
    """Rules are what people and workers do; `House` knows what should come of it."""

    forms = Bundle("forms")
    spent = Bundle("spent")  # (name, credits, reference) of spends that belong to no video
    granted = Bundle("granted")  # (name, credits, kind, key)

    fresh: ClassVar[Fresh]

    def __init__(self) -> None:
        super().__init__()
        self.house = House(type(self).fresh())

    @invariant()
    def everything_adds_up(self) -> None:
        self.house.check()

    # Forms ---------------------------------------------------------------------------------------

    @initialize(target=forms, name=names)
    def somebody_makes_a_first_video(self, name: str) -> Any:
        return self._request(name, (8, "720p"), 1, 0)

    @rule(target=forms, name=names, shape=shapes, number=numbers, wrong_by=st.sampled_from([0, 2]))
    def request(self, name: str, shape: tuple[int, str], number: int, wrong_by: int) -> Any:
        return self._request(name, shape, number, wrong_by) or multiple()

    def _request(
        self, name: str, shape: tuple[int, str], number: int, wrong_by: int
    ) -> Form | None:
        house = self.house
        wanted = house.wanted(*shape, number, "glass")
        fair = house.price_of(name, wanted)
        quoted = house.call(videos.quote, house.ids[name], wanted)
        house.expect(f"quoted {quoted}, not {fair}", quoted.price.total == fair)
        return house.request(name, wanted, fair + wrong_by)

    @rule(form=forms, price=st.sampled_from([0, 5, 8, 10, 40]))
    def send_the_form_again(self, form: Form, price: int) -> None:
        house = self.house
        ids = house.call(
            videos.request_video, house.ids[form.owner], form.wanted,
            token=form.token, price_credits=price,
        )  # fmt: skip
        house.expect("the same form, other videos", tuple(ids) == form.ids)

    @rule(form=forms)
    def send_other_fields_with_a_used_token(self, form: Form) -> None:
        house = self.house
        other = house.wanted(form.wanted.duration_s, form.wanted.resolution, 1, "sand")
        price = house.price_of(form.owner, other)
        self._refused(
            FormReused, videos.request_video, house.ids[form.owner], other,
            token=form.token, price_credits=price,
        )  # fmt: skip

    @rule(target=forms, name=names, shape=shapes, is_same=st.booleans())
    def send_two_forms_at_once(self, name: str, shape: tuple[int, str], is_same: bool) -> Any:
        house = self.house
        wanted = house.wanted(*shape, 1, "ice")
        price, is_first = house.price_of(name, wanted), house.is_first(name, wanted)
        tokens = [house.new_token()] * 2 if is_same else [house.new_token(), house.new_token()]
        send = partial(videos.request_video, house.ids[name], wanted, price_credits=price)
        outcome = race(house.app, [partial(send, token=token) for token in tokens])
        if is_same:
            house.expect(f"one form, {outcome}", len(set(map(str, outcome.results))) == 1)
        elif is_first and shape == (8, "720p"):  # the price that the other saw is no longer fair
            house.expect(f"two first-video prices: {outcome}", len(outcome.refusals()) >= 1)
        taken = {
            (ids[0], token)
            for ids, token in zip(outcome.results, tokens, strict=True)
            if isinstance(ids, list)
        }
        forms = [  # as they stand in line: which thread was first differs from run to run
            house.bought_by(name, wanted, token, [video_id], house.has_claimed(video_id))
            for video_id, token in sorted(taken)
        ]
        if is_first and len(forms) > 1:  # either may have the price: a repetition must not depend
            for form in forms:
                house.call(endings.fail, form.ids[0], "deadline", "")
        return multiple(*forms)

    @rule()
    def an_hour_passes(self) -> None:
        self.house.an_hour_passes()

    # What becomes of videos ----------------------------------------------------------------------

    @rule(form=forms, which=places, report=reports)
    def make(self, form: Form, which: int, report: str) -> None:
        """Submitted, asked about twice, stored: as far as it goes."""
        self.house.call(attempts.submit, form.id_at(which))
        self.house.look()
        self.sweep(report)
        self.house.look()
        self.store(form, which)

    @rule(report=reports)
    def sweep(self, report: str) -> None:
        self.house.provider.script = (REPORTS[report],)
        self.house.call(sweeps.refresh_due)

    @rule(form=forms, which=places)
    def store(self, form: Form, which: int) -> None:
        self.house.call(attempts.store, form.id_at(which))

    @rule(form=forms, which=places, name=names)
    def cancel(self, form: Form, which: int, name: str) -> None:
        house, video_id = self.house, form.id_at(which)
        if name != form.owner:
            self._refused(NotFound, videos.cancel, house.ids[name], video_id)
        elif house.is_open(video_id):
            house.call(videos.cancel, house.ids[name], video_id)
        else:
            self._refused(UserError, videos.cancel, house.ids[name], video_id)

    @rule(form=forms, which=places, times=st.sampled_from([1, 2]))
    def fail(self, form: Form, which: int, times: int) -> None:
        video_id = form.id_at(which)
        is_open = self.house.is_open(video_id)
        done = self._repeat(partial(endings.fail, video_id, "deadline", ""), times)
        self.house.expect(f"failed {done}", sum(done) == is_open)

    @rule(form=forms, which=places)
    def fail_and_cancel_at_once(self, form: Form, which: int) -> None:
        video_id = form.id_at(which)
        is_open = self.house.is_open(video_id)
        verbs = [
            partial(endings.fail, video_id, "deadline", ""),
            partial(endings.cancel, video_id),
            partial(endings.fail, video_id, "store_timeout", ""),
        ]
        done = race(self.house.app, verbs, before="UPDATE videos").results
        self.house.expect(f"ended {done}", sum(done) == is_open)

    @rule(form=forms, which=places)
    def a_worker_that_overslept_reports(self, form: Form, which: int) -> None:
        video_id = form.id_at(which)
        lease = self.house.old_lease(video_id)
        done = [
            self.house.call(attempts.accept, lease, "a late handle", self.house.provider),
            self.house.call(endings.fail, video_id, "permanent", "", lease=lease),
            self.house.call(endings.cancel, video_id, lease=lease),
        ]
        self.house.expect(f"an old lease did something: {done}", not any(done))

    # Credits, directly ---------------------------------------------------------------------------

    @rule(target=spent, name=names, cost=st.sampled_from([1, 5, 20]))
    def spend(self, name: str, cost: int) -> Any:
        reference = f"direct-{next(self.house.numbers)}"
        is_enough = self.house.balances[name] >= cost
        try:
            self._spend(name, cost, reference)
        except NotEnoughCredits:
            self.house.expect("refused with enough credits", not is_enough)
            return multiple()
        self.house.expect("spent more than there was", is_enough)
        self._has_spent(name, cost, reference)
        return (name, cost, reference)

    @rule(spend=spent)
    def spend_again(self, spend: tuple[str, int, str]) -> None:
        self._refused((AlreadySpent, NotEnoughCredits), self._spend, *spend)

    @rule(target=spent, name=names)
    def spend_everything_twice_at_once(self, name: str) -> Any:
        house, everything = self.house, self.house.balances[name]
        if everything < 1:
            return multiple()
        references = [f"direct-{next(house.numbers)}" for _ in range(2)]
        verbs = [partial(self._spend_in_context, name, everything, one) for one in references]
        outcome = race(house.app, verbs)
        for reference in outcome.successes():
            self._has_spent(name, everything, reference)
        house.expect(f"both spent: {outcome}", outcome.refusals() == [NotEnoughCredits])
        return multiple(*((name, everything, reference) for reference in outcome.successes()))

    @rule(name=names)
    def spend_and_crash(self, name: str) -> None:
        with self.house.app.app_context():
            try:
                self.house.inside(self._spend_then_raise, name)
            except (ZeroDivisionError, NotEnoughCredits):
                return
        raise AssertionError("a crash was swallowed")

    def _spend_then_raise(self, connection: Any, name: str) -> None:
        credits.spend(connection, self.house.ids[name], 1, key="never", reference="never")
        raise ZeroDivisionError

    @rule(spend=spent, times=st.sampled_from([1, 2]), at_once=st.booleans())
    def refund(self, spend: tuple[str, int, str], times: int, at_once: bool) -> None:
        """The same refund once, twice, at the same moment, or long after it was made."""
        name, cost, reference = spend
        is_new = reference not in self.house.given_back
        verb = partial(self._refund, name, cost, reference)
        done = (
            race(self.house.app, [verb] * times).results if at_once else self._repeat(verb, times)
        )
        if is_new:
            self.house.given_back.add(reference)
            self.house.balances[name] += cost
        self.house.expect(f"refunded {done}", sum(done) == is_new)

    @rule(
        target=granted, name=names, number=st.sampled_from([1, 8, 30, -7]), repeated=st.booleans()
    )
    def grant(self, name: str, number: int, repeated: bool) -> Any:
        """Grants and adjustments; an adjustment may leave a debt."""
        key = f"gift-{next(self.house.numbers)}"
        self.house.balances[name] += number
        grant = (name, number, "adjustment" if number < 0 else "purchase", key)
        done = self._repeat(partial(self._grant, *grant), 1 + repeated)
        self.house.expect(f"granted {done}", done == [True, False][: 1 + repeated])
        return grant

    @rule(grant=granted)
    def grant_again_at_once(self, grant: tuple[str, int, str, str]) -> None:
        done = race(self.house.app, [partial(self._grant, *grant)] * 2).results
        self.house.expect(f"granted again: {done}", not any(done))

    # How -----------------------------------------------------------------------------------------

    def _refused(self, kinds: Any, verb: Any, *arguments: Any, **options: Any) -> None:
        try:
            result = self.house.call(verb, *arguments, **options)
        except kinds:
            return
        self.house.expect(f"{verb} was not refused: {result}", is_true=False)

    def _repeat(self, verb: Any, times: int) -> list[Any]:
        return [self.house.call(verb) for _ in range(times)]

    def _spend(self, name: str, cost: int, reference: str) -> str:
        spent: str = self.house.call(self._spend_in_context, name, cost, reference)
        return spent

    def _spend_in_context(self, name: str, cost: int, reference: str) -> str:
        user_id = self.house.ids[name]
        self.house.inside(
            credits.spend, user_id, cost, key=f"spend:{reference}", reference=reference
        )
        return reference

    def _has_spent(self, name: str, cost: int, reference: str) -> None:
        self.house.balances[name] -= cost
        self.house.without_video[reference] = (name, cost)

    def _refund(self, name: str, cost: int, reference: str) -> Any:
        return self.house.inside(
            credits.refund, self.house.ids[name], cost,
            key=f"refund:{reference}", reason="test", reference=reference,
        )  # fmt: skip

    def _grant(self, name: str, number: int, kind: str, key: str) -> Any:
        if kind == "adjustment":
            return credits.adjust(self.house.ids[name], number, key=key, reason="test")
        return self.house.inside(
            credits.grant, self.house.ids[name], number, kind=kind, key=key, reason="test"
        )


def money_in(fresh: Fresh) -> type[Money]:
    """The machine, each example on a database that `fresh` made."""
    return type("MoneyHere", (Money,), {"fresh": staticmethod(fresh)})
