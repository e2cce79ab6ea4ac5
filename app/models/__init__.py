"""The tables. Questions about rows live here; every change of state lives in services/."""

from app.models.base import is_id, new_id, now
from app.models.credit import CreditAccount, CreditEntry
from app.models.operation import Alert, Tick
from app.models.provider import Callback, ProviderKey, Screening, StoppedRoute
from app.models.purchase import PAID, UNPAID, PaymentEvent, Purchase, Reversal
from app.models.user import Identity, Mail, Secret, Session, User
from app.models.video import ENDED, LIVE, Attempt, FormToken, StartImage, Video

__all__ = [
    "ENDED",
    "LIVE",
    "PAID",
    "UNPAID",
    "Alert",
    "Attempt",
    "Callback",
    "CreditAccount",
    "CreditEntry",
    "FormToken",
    "Identity",
    "Mail",
    "PaymentEvent",
    "ProviderKey",
    "Purchase",
    "Reversal",
    "Screening",
    "Secret",
    "Session",
    "StartImage",
    "StoppedRoute",
    "Tick",
    "User",
    "Video",
    "is_id",
    "new_id",
    "now",
]
