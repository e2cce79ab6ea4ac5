"""`python -m tests.simulators kie --port 9001`: a vendor, or all of them, until Ctrl-C."""

import argparse
import contextlib
import signal
import sys

from tests.simulators import VENDORS, Simulator, start
from tests.simulators.clips import CLIPS


def main(arguments: list[str] | None = None) -> int:
    """Start what the command line names, say where, wait for a signal."""
    options = _parser().parse_args(arguments)
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(
        signal.SIG_BLOCK, stops
    )  # in all threads to come: only sigwait sees them
    names = list(VENDORS) if options.vendor == "all" else [options.vendor]
    with contextlib.ExitStack() as stack:
        for index, name in enumerate(names):
            port = options.port + index if options.port else 0
            house = stack.enter_context(_started(name, port, options))
            print(f"{name} {house.base_url}", flush=True)  # noqa: T201 - what it is started for
            print(f"  {_settings(name, house)}", flush=True)  # noqa: T201
        signal.sigwait(stops)
    return 0


def _settings(name: str, house: Simulator) -> str:
    """The environment that points a site at it."""
    key = next(iter(house.keys))
    own = {
        "kie": ("VEO3_API_KEY", "VEO3_API_BASE_URL", "VEO3_UPLOAD_BASE_URL"),
        "fal": ("FAL_KEY", "FAL_QUEUE_BASE_URL"),
        "replicate": ("REPLICATE_API_TOKEN", "REPLICATE_BASE_URL"),
        "google": ("GOOGLE_GENAI_API_KEY", "GOOGLE_GENAI_BASE_URL"),
    }[name]
    values = {own[0]: key, **dict.fromkeys(own[1:], house.base_url)}
    if name == "fal":
        values |= {"FAL_JWKS_URL": house.keys_url, "ALLOW_BELOW_COST": "fal"}
    if name == "replicate":
        values |= {
            "REPLICATE_WEBHOOK_SECRET": house.webhook_secret,
            "ALLOW_BELOW_COST": "replicate",
        }
    if name == "google":
        values |= {
            "GOOGLE_GENAI_MODEL": "veo-3.1-fast-generate-preview",
            "ALLOW_BELOW_COST": "google",
        }
    return " ".join(f"{one}={value}" for one, value in values.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators", description=__doc__)
    parser.add_argument("vendor", choices=[*VENDORS, "all"])
    parser.add_argument("--port", type=int, default=0, help="all: this one and the next three")
    parser.add_argument(
        "--key", action="append", default=[], metavar="KEY=STATE[@ACCOUNT]",
        help="ok, bad, empty, limited or limited=SECONDS; default test-key=ok",
    )  # fmt: skip
    parser.add_argument("--takes", type=float, default=5.0, metavar="S", help="submit to done")
    parser.add_argument("--queue", type=float, default=0.0, metavar="S", help="of it in the queue")
    parser.add_argument("--clip", choices=CLIPS, default="sound")
    parser.add_argument("--sizes", choices=["small", "real"], default="small")
    parser.add_argument("--hmac-key", help="kie: the webhookHmacKey")
    return parser


def _started(name: str, port: int, options: argparse.Namespace) -> Simulator:
    keys = dict(text.partition("=")[::2] for text in options.key) or None
    own = {"hmac_key": options.hmac_key} if name == "kie" else {}
    return start(
        name,
        port=port,
        keys=keys,
        takes_s=options.takes,
        queue_s=options.queue,
        clip=options.clip,
        sizes=options.sizes,
        **own,
    )


if __name__ == "__main__":
    sys.exit(main())
