"""The yardstick of the web figures: Flask with nothing in it."""

from flask import Flask

app = Flask("bare")


@app.get("/")
def hello() -> str:
    """A few bytes."""
    return "hello"
