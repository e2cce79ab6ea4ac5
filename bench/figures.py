"""What a measurement says, and the arithmetic that every measurement shares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One line of the report. Without a target it is only told, never missed."""

    name: str
    value: float | None
    unit: str = "ratio"
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"
    note: str = ""

    @property
    def verdict(self) -> str:
        """`ok`, `MISSED`, `not measured`, or nothing where there is no target."""
        if self.value is None:
            return "not measured"
        if self.target is None:
            return ""
        is_good = (
            self.value >= self.target if self.better == "higher" else self.value <= self.target
        )
        return "ok" if is_good else "MISSED"

    def line(self) -> str:
        """The figure as it is printed."""
        value = "-" if self.value is None else shown(self.value, self.unit)
        sign = ">=" if self.better == "higher" else "<="
        target = "" if self.target is None else f"{sign} {shown(self.target, self.unit)}"
        return f"{self.name:<44} {value:>12}  {target:<12} {self.verdict:<12} {self.note}".rstrip()


def missing(name: str, why: str) -> Figure:
    """A figure that could not be taken here, and why."""
    return Figure(name, None, note=why)


def shown(value: float, unit: str) -> str:
    """A value with its unit, in as many digits as can be believed."""
    if unit == "ratio":
        return f"{value:.3f}"
    if unit in {"statements", "requests", "transactions/s"}:
        return f"{value:,.0f} {'/s' if unit == 'transactions/s' else ''}".strip()
    return f"{value:.2f} {unit}"


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie: nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def paired(ours: Sequence[float], others: Sequence[float]) -> float:
    """The median of ours/other, each taken from two neighbouring slices of one run."""
    if len(ours) != len(others) or not ours:
        raise ValueError("slices come in pairs")
    return median(one / other for one, other in zip(ours, others, strict=True))
