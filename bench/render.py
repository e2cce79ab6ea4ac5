"""What one ordinary video costs: 8 s at 720p, standard quality, kernels warm.

python bench/render.py
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REQUEST = {
    "prompt": "slow slicing of a glass strawberry on a wooden board",
    "type": "glass-fruit",
    "aspect_ratio": "16:9",
    "duration_s": 8,
    "resolution": "720p",
    "seed": 1,
}


def measure() -> dict[str, Any]:
    """Render it as a child process; seconds from start to end, and CPU seconds with ffmpeg's."""
    renderer = [sys.executable, "-m", "renderer"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*arguments: str) -> None:
        command = [*renderer, *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)

    run("--warm")
    with tempfile.TemporaryDirectory() as folder:
        request, out = Path(folder) / "request.json", Path(folder) / "clip.mp4"
        request.write_text(json.dumps(REQUEST))
        before, started = _children_cpu_s(), time.monotonic()
        run(str(request), str(out))
        seconds, cpu_seconds = time.monotonic() - started, _children_cpu_s() - before
        size = out.stat().st_size
    return {
        "name": "render_8s_720p",
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "bytes": size,
        "processors": os.cpu_count(),
    }


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print one line for people and, on the same line, the numbers for programs."""
    got = measure()
    print(
        f"8 s at 720p, glass strawberry: {got['seconds']} s, {got['cpu_seconds']} CPU s on "
        f"{got['processors']} processors {json.dumps(got)}"
    )


if __name__ == "__main__":
    main()
