"""Plan -> stereo sound: one voice per event, placed and panned, a small room, and mastering."""

import numpy as np

from .plan import Plan
from .synth import SECONDS, band, coloured_noise, low_pass

TARGET_LUFS = -23.0
CEILING = 10 ** (-4.6 / 20)  # sample peak before AAC, which may overshoot by about 1 dB
MOST_GAIN = 40.0
LOOK_AHEAD = 0.004  # seconds
FADE_IN, FADE_OUT = 0.25, 0.45
EAR_DELAY = 0.0005  # seconds between the ears at full pan


def place(mix: np.ndarray, sound: np.ndarray, time: float, pan: float, gain: float) -> None:
    """Add a mono sound: constant-power pan, interaural delay, duller far ear."""
    at = int(time * SECONDS)
    if not 0 <= at < len(mix):
        return
    angle = (np.clip(pan, -1, 1) + 1) * np.pi / 4
    for ear, level in ((0, np.cos(angle)), (1, np.sin(angle))):
        far = (pan > 0) == (ear == 0) and abs(pan) > 0.05
        heard = low_pass(sound, 5200 - 2000 * min(abs(pan), 1)) if far else sound
        begin = at + (int(abs(pan) * EAR_DELAY * SECONDS) if far else 0)
        size = min(len(heard), len(mix) - begin)
        if size > 0:
            mix[begin : begin + size, ear] += heard[:size] * level * gain


def reverb(mix: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tail of a small furnished room (60 ms decay), as a convolution with shaped noise."""
    length = int(0.34 * SECONDS)
    t = np.arange(length) / SECONDS
    size = 1 << (len(mix) + length).bit_length()
    tail = np.empty_like(mix)
    for ear in range(2):
        response = band(rng.standard_normal(length), 200, 7500) * np.exp(-t / 0.060)
        response[: int(0.007 * SECONDS)] = 0
        response *= 0.16 / np.sqrt((response**2).sum())
        spectrum = np.fft.rfft(mix[:, ear], size) * np.fft.rfft(response, size)
        tail[:, ear] = np.fft.irfft(spectrum, size)[: len(mix)]
    return tail


def loudness(mix: np.ndarray) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4, K-weighting applied in the spectrum)."""
    f = np.fft.rfftfreq(len(mix), 1 / SECONDS)
    z = np.exp(-2j * np.pi * f / SECONDS)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    rumble = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    weighting = (shelf * rumble)[:, None]
    weighted = np.fft.irfft(np.fft.rfft(mix, axis=0) * weighting, len(mix), axis=0)
    total = np.concatenate([[0], np.cumsum((weighted**2).sum(1))])
    block, step = int(0.4 * SECONDS), int(0.1 * SECONDS)
    starts = np.arange(0, max(len(mix) - block, 1), step)
    power = (total[np.minimum(starts + block, len(mix))] - total[starts]) / block + 1e-12
    level = -0.691 + 10 * np.log10(power)
    loud = power[level > -70]
    if not len(loud):
        return -70.0
    gate = -0.691 + 10 * np.log10(loud.mean()) - 10
    kept = power[level > max(gate, -70)]
    return float(-0.691 + 10 * np.log10(kept.mean()))


def limit(mix: np.ndarray) -> np.ndarray:
    """Look-ahead limiter: never above CEILING, gain changes smoothed over twice LOOK_AHEAD."""
    reach = int(LOOK_AHEAD * SECONDS)
    need = np.minimum(1.0, CEILING / np.maximum(np.abs(mix).max(1), 1e-9))
    padded = np.pad(need, 2 * reach, constant_values=1.0)
    held = padded.copy()
    width = 1
    while width < 2 * reach + 1:  # running minimum over 2 * reach + 1 samples, by doubling
        shift = min(width, 2 * reach + 1 - width)
        held[shift:] = np.minimum(held[shift:], held[:-shift].copy())
        width += shift
    taps = np.hanning(2 * reach + 3)[1:-1]
    size = 1 << (len(held) + len(taps)).bit_length()
    smooth = np.fft.irfft(np.fft.rfft(held, size) * np.fft.rfft(taps / taps.sum(), size), size)
    gain = smooth[4 * reach : 4 * reach + len(mix)]
    return mix * np.minimum(gain, 1.0)[:, None]


def compose(plan: Plan) -> np.ndarray:
    """Float stereo [n, 2], mastered."""
    rng = plan.rng("sound")
    length = round(plan.duration * SECONDS)
    mix = np.zeros((length, 2))
    voices = plan.scene.voices(plan)
    for event in plan.events:
        sound = voices[event.name](rng)
        place(mix, sound, event.time, event.pan, event.gain * rng.uniform(0.88, 1.06))
    mix += reverb(mix, rng)
    air = [band(coloured_noise(rng, length, 1.0), 60, 6000) for _ in range(2)]
    mix += np.stack(air, 1) * 0.002
    bed = plan.scene.ambience(plan, rng, length)
    if bed is not None:
        mix += bed
    mix -= mix.mean(0)
    ramp = np.arange(length) / SECONDS
    mix *= np.minimum(1, np.minimum(ramp / FADE_IN, ramp[::-1] / FADE_OUT))[:, None]
    gain = 1.0
    for _ in range(4):  # limiting costs loudness: find the gain that meets the target after it
        mastered = limit(mix * gain)
        gain = min(gain * 10 ** ((TARGET_LUFS - loudness(mastered)) / 20), MOST_GAIN)
    return limit(mix * gain)
