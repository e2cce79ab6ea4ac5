"""What botocore's errors mean: every one of them becomes a MediaError."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.media.errors import MediaCode, MediaError, write_error

_MESSAGE_MAX_CHARS: Final = 300

_CODES: Final[dict[str, MediaCode]] = {
    "404": "missing",  # to HEAD, whose answers have no body to say more
    "NoSuchKey": "missing",
    "EntityTooLarge": "too_large",
    "InsufficientStorage": "disk_full",
    "QuotaExceeded": "disk_full",
    "XMinioStorageFull": "disk_full",
    "XMinioAdminBucketQuotaExceeded": "disk_full",
    "RequestTimeout": "unreachable",
    "SlowDown": "unreachable",
}


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turns every kind of botocore's errors into a MediaError about `what`."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(error, what) from error
    except BotoCoreError as error:
        raise _not_asked(error, what) from error
    except OSError as error:  # last, for some of botocore's are OSErrors too
        raise write_error(error, what) from error


def _refused(error: Any, what: str) -> MediaError:
    """A server's no. What it cannot do now may work soon, the rest somebody must mend."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    is_tired = status == 429 or status >= 500
    found = _CODES.get(code, "unreachable" if is_tired else "unwritable")
    return MediaError(found, f"{what}: {error}"[:_MESSAGE_MAX_CHARS])


def _not_asked(error: Exception, what: str) -> MediaError:
    """No answer at all, or a request that could not be made (no credentials, say)."""
    from botocore import exceptions

    network = (
        exceptions.HTTPClientError,
        exceptions.ConnectionError,
        exceptions.IncompleteReadError,
    )
    code: MediaCode = "unreachable" if isinstance(error, network) else "unwritable"
    return MediaError(code, f"{what}: {error}"[:_MESSAGE_MAX_CHARS])
