"""Where PostgreSQL is: URLs put together from parts, and shown without what is secret in them.

Invariant: libpq itself takes every URL apart; a password is in no message of this module, nor a piece of a URL that
could not be read.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

_SECRET: Final = {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}


def address(
    *, host: str = "", port: int = 5432, user: str = "", password: str = "", database: str = "", **options: str
) -> str:
    """The URL of a database.

    Args:
        host: Its name, an IPv4 or IPv6 address, or the folder of a Unix socket; empty: where libpq looks by itself.
        port: Its TCP port, or the number of its socket.
        user: Who asks; empty: whom libpq takes by itself.
        password: Empty: what libpq finds in PGPASSWORD or ~/.pgpass.
        database: Empty: the one named like the user.
        **options: Further parameters of libpq, such as `sslmode`.

    Raises:
        ValueError: libpq could not read it; nothing of it is shown.
    """
    name = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    place = f"[{quote(host, safe=':')}]" if ":" in host else quote(host, safe="")
    query = f"?{urlencode(options, quote_via=quote)}" if options else ""
    url = f"postgresql://{name}{'@' if name else ''}{place}:{port}/{quote(database, safe='')}{query}"
    parts(url)
    return url


def parts(url: str) -> dict[str, str]:
    """The parameters of libpq that a URL, or a string of `key=value`, sets.

    Raises:
        ValueError: libpq cannot read it; nothing of it is shown.
    """
    try:
        return {key: str(value) for key, value in conninfo_to_dict(url).items()}
    except (psycopg.Error, UnicodeError):  # libpq says which piece it could not read, and that may be the password
        raise ValueError(
            "PostgreSQL's URL cannot be read: postgresql://user:password@host:5432/database, "
            "special characters percent-encoded."
        ) from None


def masked(url: str) -> str:
    """A URL for messages: whom, where and what, and nothing else.

    Raises:
        ValueError: libpq cannot read it; nothing of it is shown.
    """
    known = parts(url)
    shown = {key: known[key] for key in ("user", "host", "hostaddr", "port", "dbname") if key in known}
    secret = {key for key in known if key in _SECRET}
    return " ".join([*(f"{key}={value}" for key, value in shown.items()), *(f"{key}=***" for key in sorted(secret))])
