"""What can be ordered.  Standard library only: a web page may ask."""

ASPECTS = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
RESOLUTIONS = {"720p": 720, "1080p": 1080}  # pixels of the short side
QUALITIES = ("standard", "draft")
MIN_SECONDS, MAX_SECONDS = 4, 30
