"""The harness's arithmetic: a wrong median or a target that cannot be missed would flatter us."""

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import client, debit_postgres, idle, latency, scratch, stub, sweep
from bench.figures import Figure, missing, paired, percentile
from bench.servers import Slice
from bench.spending import Recorded


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("a", 0.31, target=0.30), "ok"),
        (Figure("a", 0.29, target=0.30), "MISSED"),
        (Figure("a", 1.4, target=1.5, better="lower"), "ok"),
        (Figure("a", 1.6, target=1.5, better="lower"), "MISSED"),
        (Figure("a", 9.0), ""),
        (missing("a", "no such program"), "not measured"),
    ],
)
def test_a_target_is_met_or_missed(figure: Figure, verdict: str) -> None:
    assert figure.verdict == verdict
    assert figure.line().startswith("a ") and verdict in figure.line()


def test_a_line_says_value_target_and_note() -> None:
    line = Figure("start", 3.456, "s", 5, "lower", "of three").line()
    assert line.split() == ["start", "3.46", "s", "<=", "5.00", "s", "ok", "of", "three"]


def test_a_ratio_is_the_median_of_neighbours() -> None:
    # the third pair met a busy machine: both slices were slow, and the ratio still holds
    assert paired([50, 52, 5], [100, 104, 10]) == 0.5
    with pytest.raises(ValueError, match="pairs"):
        paired([1.0], [])


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentile(range(1, 101), 0.99) == 100
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([7.0], 0.99) == 7.0


def test_cpu_time_is_told_a_request() -> None:
    assert Slice(requests=2000, cpu_s=0.5).cpu_ms == 0.25


@pytest.mark.parametrize(("strict", "status"), [([], 0), (["--strict"], 1)])
def test_only_strict_fails_on_a_missed_target(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    strict: list[str],
    status: int,
) -> None:
    def measure() -> Iterator[Figure]:
        yield Figure("slow", 0.1, target=0.3)

    monkeypatch.setitem(bench.MEASUREMENTS, "slow", measure)
    assert bench.main([*strict, "slow"]) == status
    assert "1 figures, 1 missed" in capsys.readouterr().out


def test_an_unknown_measurement_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.main(["speed"])
    assert "speed" in capsys.readouterr().err


def test_pgbench_runs_the_recorded_statements(tmp_path: Path) -> None:
    sql = "INSERT INTO t VALUES (%(a)s, %(b)s::VARCHAR, %(c)s, %(d)s, %(e)s, %(f)s)"
    values = {"a": 1000, "b": "spend:v", "c": "it's", "d": True, "e": "v", "f": None}
    script = debit_postgres.script(Recorded([(sql, values)], 1000, "v"), tmp_path / "x.sql", "1")
    assert script.read_text().splitlines() == [
        r"\set user 1",
        r"\set video random(1, 9000000000000000000)",
        "BEGIN;",
        "INSERT INTO t VALUES (:user, ('spend:' || :video)::VARCHAR, 'it''s', True, :video, NULL);",
        "COMMIT;",
    ]


def serving(status: int) -> Callable[..., BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    return Answer


class Quiet(HTTPServer):
    def handle_error(self, *_: object) -> None:
        """The client hangs up in the middle of an answer: that is how it stops."""


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    with Quiet(("127.0.0.1", 0), serving(request.param)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("address", [200], indirect=True)
def test_the_own_client_counts_answers(address: str) -> None:
    assert client.answered(address, 1, 0.2, ["HX-Request: true"]) > 1


@pytest.mark.parametrize("address", [404], indirect=True)
def test_the_own_client_takes_nothing_but_a_200(address: str) -> None:
    with pytest.raises(OSError, match="not a 200"):
        client.answered(address, 1, 0.2, [])


def test_the_stub_names_the_task_and_says_that_it_runs() -> None:
    with stub.answering() as url, urllib.request.urlopen(f"{url}{stub.PATH}veo_task_1") as answer:
        record = json.loads(answer.read())
    assert record["code"] == 200
    assert (record["data"]["taskId"], record["data"]["successFlag"]) == ("veo_task_1", 0)


def test_a_sweep_in_miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> None:
        raise scratch.NotHere("not in this test")

    monkeypatch.setattr(sweep, "IN_FLIGHT", 50)
    monkeypatch.setattr(sweep, "FEW", 5)
    monkeypatch.setattr(sweep, "ROUNDS", 1)
    monkeypatch.setattr(scratch, "postgres", nowhere)
    rate, cpu, memory, postgres = sweep.measure()
    assert 0 < (rate.value or 0) < 1.5 and 0 < (cpu.value or 0) < 1.5  # the bare loop does less
    assert memory.name == "sweep, memory at 50 / 5 in flight" and memory.verdict == "ok"
    assert postgres.verdict == "not measured"


def test_more_memory_for_more_videos_is_a_miss() -> None:
    few, many = {"asked": 1000, "peak_mb": 100.0}, {"asked": 10000, "peak_mb": 151.0}
    assert sweep.memory(few, many).verdict == "MISSED"


@pytest.mark.slow
def test_an_idle_worker_in_miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> None:
        raise scratch.NotHere("not in this test")

    monkeypatch.setattr(idle, "SECONDS", 0.5)
    monkeypatch.setattr(idle, "SETTLE_S", 0.5)
    monkeypatch.setattr(idle, "redis", nowhere)
    sqlite, redis = idle.measure()
    assert 0 <= (sqlite.value or 0) < 100
    assert redis.verdict == "not measured"


@pytest.mark.slow
def test_from_done_to_row_in_miniature() -> None:
    """Two videos through web server, worker and simulator: told by a callback, then stored."""
    waits = latency.waited(2, 0.5, has_callbacks=True)
    assert len(waits) == 2
    for wait in waits:
        assert 0 < wait.told_s < wait.stored_s
