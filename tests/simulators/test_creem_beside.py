"""`make run PAYMENTS=simulator`: Creem is a third part of the site."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app import limits
from config import ROOT, Config
from deploy.supervisor import port_problem
from tests.databases import free_port
from tests.waiting import wait_until


def simulated(tmp_path: Path) -> dict[str, str]:
    """The environment of a site whose payments are simulated, at the port after its own."""
    return {
        **os.environ,
        "PAYMENTS": "simulator",
        "HOST": "127.0.0.1",
        "PORT": str(free_pair()),
        "APP_URL": "",
        "APP_ENV": "development",
        "INSTANCE_DIR": str(tmp_path / "instance"),
    }


def free_pair() -> int:
    """A free port with a free one after it."""
    while port_problem("127.0.0.1", (port := free_port()) + 1):
        pass
    return port


def test_the_simulators_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    env = simulated(tmp_path)
    with socket.socket() as taken:
        port = int(env["PORT"]) + 1
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "deploy.supervisor"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot listen on 127.0.0.1:{port}: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_simulated_payments_are_a_third_part(tmp_path: Path) -> None:
    env, log = simulated(tmp_path), tmp_path / "log"
    url = f"http://127.0.0.1:{int(env['PORT']) + 1}"
    line = f"creem | Payments are simulated at {url}: no money moves"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "deploy.supervisor"]
        site = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
    try:
        for wanted in (line, "CuttingASMR is ready"):
            wait_until(lambda: wanted in log.read_text() or site.poll() is not None, 60)  # noqa: B023
            assert wanted in log.read_text()
        link = f"{url}/payment/prod_sim_starter?request_id=r"
        assert "Pay 9.90 USD" in httpx.get(link, follow_redirects=True).text
        [part] = [pid for pid in children_of(site.pid) if "tests.simulators" in command_of(pid)]
        os.kill(part, signal.SIGKILL)
        wait_until(lambda: log.read_text().count(line) == 2, what="it is started again")
        parts = children_of(site.pid)
        site.send_signal(signal.SIGTERM)
        assert site.wait(30) == 0
        assert not [pid for pid in parts if Path(f"/proc/{pid}").exists()]
    finally:
        site.kill()
        site.wait()


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def test_it_has_the_settings_and_the_prices_of_the_site(tmp_path: Path) -> None:
    env = simulated(tmp_path)
    config = Config.from_env(env)
    url = config.CREEM["base_url"]
    command = [sys.executable, "-m", "tests.simulators", "creem", "--like-site"]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said == f"Payments are simulated at {url}: no money moves\n"
            state = httpx.get(f"{url}/_simulate").json()
            assert state["webhook_url"] == f"http://127.0.0.1:{env['PORT']}/api/webhooks/creem"
            headers = {"x-api-key": config.CREEM["api_key"]}
            for name, pack in limits.PACKS.items():
                path = f"/v1/products/{config.CREEM['products'][name]}"
                product = httpx.get(url + path, headers=headers).json()
                assert product["price"] == pack.price_cents and str(pack.credits) in product["name"]
                page = httpx.get(config.CREEM["links"][name], follow_redirects=True)
                assert f"Pay {pack.price_cents / 100:.2f} USD" in page.text
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert (config.INSTANCE_DIR / "creem-simulator.json").exists()
