"""Gunicorn's settings, for `make run`, `make web` and production alike.

One process with threads: SQLite has one writer at a time anyway, and without Redis flood limits
count per process. On PostgreSQL and Redis raise gunicorn's own variable WEB_CONCURRENCY.
"""

import sys

from config import Config, ConfigError

try:
    _config = Config.from_env()
except ConfigError as error:
    sys.exit(f"error: {error}")
_host = f"[{_config.HOST}]" if ":" in _config.HOST else _config.HOST

bind = f"{_host}:{_config.PORT}"
worker_class = "gthread"
threads = 8
# A worker process that has not given a sign of life for so long is replaced. Slow requests are no
# reason: threads serve them.
timeout = 60
# On TERM: how long running requests may take to finish.
graceful_timeout = 10
# A browser reuses its connection for a page's files and for the polls of live cards, 2 s apart.
keepalive = 5
loglevel = _config.LOG_LEVEL.lower()
# The default control socket wants a writable home, and two installations would share it.
control_socket_disable = True
# Whether X-Forwarded-* is believed is for TRUSTED_PROXIES to say, in the app.
forwarded_allow_ips = ""
