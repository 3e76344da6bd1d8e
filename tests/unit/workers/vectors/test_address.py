"""Addresses of PostgreSQL: whatever stands in their parts, libpq finds it there again."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.vectors.address import address, masked, parts

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=20)


@given(user=TEXT, password=TEXT, database=TEXT)
def test_whatever_stands_in_a_part_is_found_there_again(user: str, password: str, database: str) -> None:
    url = address(host="db.example", port=5433, user=user, password=password, database=database)

    assert parts(url) == {
        "host": "db.example",
        "port": "5433",
        "user": user,
        "password": password,
        "dbname": database,
    }


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "fe80::1%eth0", "/var/run/postgresql", "db-1.example", "/a b/c:d"]
)
def test_a_host_is_a_name_an_address_or_a_folder(host: str) -> None:
    assert parts(address(host=host))["host"] == host


def test_what_is_left_out_is_libpq_s_to_find() -> None:
    assert parts(address()) == {"port": "5432"}
    assert parts(address(password="secret")) == {"port": "5432", "password": "secret"}


def test_options_go_along() -> None:
    url = address(host="db", sslmode="verify-full", options="-c a=b&c -c d=1", sslrootcert="/a b/é.pem")

    found = parts(url)

    assert (found["sslmode"], found["options"], found["sslrootcert"]) == (
        "verify-full",
        "-c a=b&c -c d=1",
        "/a b/é.pem",
    )


def test_an_option_that_libpq_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        address(host="db", ssl_mode="require")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:top-secret@db:5432/jobs?sslmode=require&sslpassword=top-secret",
        "host=db port=5432 user=me password=top-secret dbname=jobs sslpassword=top-secret",
    ],
)
def test_a_masked_address_says_whom_and_where_and_no_secret(url: str) -> None:
    assert masked(url) == "user=me host=db port=5432 dbname=jobs password=*** sslpassword=***"


@pytest.mark.parametrize(
    "url", ["postgresql://me:top-secret@[::1/x", "postgresql://me@db/?top-secret", "top-secret", "user=me top-secret="]
)
def test_of_what_cannot_be_read_nothing_is_shown(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be read") as caught:
        masked(url)

    assert "top-secret" not in "".join(traceback.format_exception(caught.value, chain=True)).split("ValueError:")[-1]
    assert caught.value.__suppress_context__
