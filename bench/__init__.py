"""Measurements of speed, as ratios taken inside one run. `make bench`; see docs/benchmarks.md."""
