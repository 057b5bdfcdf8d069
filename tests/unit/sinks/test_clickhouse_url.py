from __future__ import annotations

import pytest

from sinks.clickhouse_url import Folder, Server, parse


def test_a_server_has_host_port_database_and_login() -> None:
    assert parse("clickhouse://me:p%40ss%2F@db.example:9000/calls") == Server(
        "db.example", 9000, "calls", "me", "p@ss/", secure=False
    )


def test_what_is_left_out_is_as_clickhouse_has_it() -> None:
    assert parse("clickhouses://db.example") == Server("db.example", 8443, "default", "default", "", secure=True)


def test_a_folder_is_an_absolute_path() -> None:
    assert parse("chdb:///var/lib/dial%20feed") == Folder("/var/lib/dial feed")


@pytest.mark.parametrize("shown", [str, repr])
def test_no_password_is_shown(shown: type) -> None:
    assert "s3cret" not in shown(parse("clickhouse://me:s3cret@db.example/calls"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://me:s3cret@h",
        "clickhouse://",
        "clickhouse://h/a/b",
        "clickhouse://me:s3cret@h:port/",
        "clickhouse://me:s3cret@[h",
        "clickhouse://h:8123/db?secure=1",
        "clickhouse://me:p@s3cret/w#d@h:8123/db",
        "clickhouse://me:p@s3cret/w@h:8123",
        "clickhouse://me:p@s3cret?w@h:8123/db",
        "clickhouse://me:s3cret\n@h/db",
        "clickhouse://h/db#s3cret",
        "chdb://rel",
        "chdb:///",
    ],
)
def test_another_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="chdb:///absolute/folder") as refused:
        parse(url)

    assert "s3cret" not in str(refused.value)
