"""What a screening says, and the one error it may end in."""

from dataclasses import dataclass
from typing import Final, Literal

Decision = Literal["allow", "flag", "deny"]


class ScreeningUnavailable(Exception):
    """No verdict could be had. The message holds neither the key nor the prompt."""


@dataclass(frozen=True)
class Verdict:
    """`reason` is a category of words.toml, or who refused where no category is told."""

    decision: Decision
    reason: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether the prompt must not be made.

        A flag counts: Creem watches flagged prompts closely and recommends to block them like
        denied ones (docs.creem.io/features/moderation, "Treat flag as a block").
        """
        return self.decision != "allow"


ALLOWED: Final = Verdict("allow")
