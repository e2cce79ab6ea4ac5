"""`python -m tests.simulators kie --port 9001`: a vendor, or all of them, until Ctrl-C.

`creem --like-site` is what `make run PAYMENTS=simulator` starts beside the site: Creem as the
site's own settings name it, with the site's prices, its books kept in the instance folder.
"""

import argparse
import contextlib
import runpy
import signal
import sys
from urllib.parse import urlsplit

from tests.simulators import VENDORS, Simulator, start
from tests.simulators.clips import CLIPS
from tests.simulators.creem import CreemHouse, Product, start_creem
from tests.simulators.sending import is_here


def main(arguments: list[str] | None = None) -> int:
    """Start what the command line names, say where, wait for a signal."""
    options = _parser().parse_args(arguments)
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(
        signal.SIG_BLOCK, stops
    )  # in all threads to come: only sigwait sees them
    names = list(VENDORS) if options.vendor == "all" else [options.vendor]
    with contextlib.ExitStack() as stack:
        if options.vendor == "creem":
            _say_creem(stack.enter_context(_creem(options)), options)
            names = []
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
    parser.add_argument("vendor", choices=[*VENDORS, "all", "creem"])
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
    parser.add_argument("--webhook-url", metavar="URL", help="creem: where its events go")
    parser.add_argument(
        "--like-site", action="store_true", help="creem: as the site's settings say"
    )
    return parser


def _creem(options: argparse.Namespace) -> CreemHouse:
    if options.like_site:
        return _creem_like_site()
    return start_creem(port=options.port, webhook_url=options.webhook_url)


def _creem_like_site() -> CreemHouse:
    from config import ROOT, Config, own_url

    config = Config.from_env()
    creem, url = config.CREEM, config.APP_URL
    url = url if is_here(url) else own_url(config.HOST, config.PORT)
    # The price list by itself: importing it would load the whole site into a second process.
    packs = runpy.run_path(str(ROOT / "app" / "limits.py"))["PACKS"]
    products = [
        Product(
            creem["products"][name],
            f"{name.capitalize()}: {pack.credits} credits",
            pack.price_cents,
            default_success_url=f"{url}/payment/success",
        )
        for name, pack in packs.items()
    ]
    return start_creem(
        port=urlsplit(creem["base_url"]).port,
        api_key=creem["api_key"],
        webhook_secret=creem["webhook_secret"],
        webhook_url=f"{url}/api/webhooks/creem",
        products=products,
        mode=creem["mode"],
        file=config.INSTANCE_DIR / "creem-simulator.json",
    )


def _say_creem(house: CreemHouse, options: argparse.Namespace) -> None:
    if options.like_site:
        text = f"Payments are simulated at {house.base_url}: no money moves"
        print(text, flush=True)  # noqa: T201 - what it is started for
        return
    values = {
        "PAYMENTS": "creem",
        "CREEM_API_BASE_URL": house.base_url,
        "CREEM_API_KEY": house.api_key,
        "CREEM_WEBHOOK_SECRET": house.webhook_secret,
    }
    for product_id in house.products:
        pack = product_id.removeprefix("prod_").upper()
        values[f"CREEM_PRODUCT_{pack}"] = product_id
        values[f"CREEM_PAYMENT_LINK_{pack}"] = house.payment_link(product_id)
    print(f"creem {house.base_url}", flush=True)  # noqa: T201
    settings = " ".join(f"{name}={value}" for name, value in values.items())
    print(f"  {settings}", flush=True)  # noqa: T201


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
