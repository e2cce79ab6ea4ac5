"""What a WSGI server and the `flask` command load."""

import sys

from app import create_app
from config import Config, ConfigError

try:
    app = create_app(Config.from_env())
except ConfigError as error:  # one line, not a traceback
    sys.exit(f"error: {error}")
