from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialfeed.secret_files import secret_names
from dialfeed.setting_problems import SettingsError
from dialfeed.settings import Settings, load_settings, without_secret_files
from dialfeed.settings_table import settings_table, unknown_variables
from sinks.clickhouse_url import Server, parse

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DIALFEED_{name.upper()}", raising=False)
        monkeypatch.delenv(f"DIALFEED_{name.upper()}_FILE", raising=False)


def problems(**options: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(**options)
    return [problem.name for problem in caught.value.problems]


def test_options_win_over_the_environment_which_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DIALFEED_KAFKA=file:1\nDIALFEED_HTTP=file:2\nDIALFEED_WORKERS=3\n")
    monkeypatch.setenv("DIALFEED_KAFKA", "environment:1")
    monkeypatch.setenv("DIALFEED_HTTP", "environment:2")
    settings = load_settings(kafka="option:1")
    assert (settings.kafka, settings.http, settings.workers) == ("option:1", "environment:2", 3)


def test_an_option_that_is_not_given_changes_nothing() -> None:
    assert load_settings(kafka=None).kafka is None


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALFEED_KAFKA", "")
    assert load_settings().kafka is None


def test_all_wrong_values_are_named_at_once() -> None:
    wrong = {"kafka": "nowhere", "workers": "many", "http": "80", "log": "loud", "wait_seconds": "nan"}
    assert problems(**wrong) == [
        "DIALFEED_KAFKA",
        "DIALFEED_HTTP",
        "DIALFEED_LOG",
        "DIALFEED_WORKERS",
        "DIALFEED_WAIT_SECONDS",
    ]


def test_a_wrong_value_comes_with_its_name_value_rule_and_an_example() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(workers="many")
    text = str(caught.value)
    assert all(part in text for part in ("DIALFEED_WORKERS", "'many'", "from 1 to 64", "DIALFEED_WORKERS=2"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kafka", "host"),
        ("kafka", "host:0"),
        ("kafka", "host:70000"),
        ("kafka", "a:1,"),
        ("http", "8080"),
        ("http", "a b:1"),
        ("clickhouse", "http://host"),
        ("clickhouse", "chdb://relative"),
        ("topic_prefix", "a/b"),
        ("kafka_ca_file", "missing.pem"),
        ("max_body_bytes", "1e9"),
        ("wait_seconds", "inf"),
        ("data", "/etc/hostname"),
    ],
)
def test_a_value_against_its_rule_is_refused(name: str, value: str) -> None:
    assert problems(**{name: value}) == [f"DIALFEED_{name.upper()}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kafka", "a:1, b.example.com:65535,[::1]:9092"),
        ("http", "[::]:0"),
        ("clickhouse", "clickhouses://user:p%40ss@host/database"),
        ("clickhouse", "chdb:///var/lib/dialfeed"),
        ("topic_prefix", "staging."),
        ("kafka_security_protocol", "ssl"),
    ],
)
def test_a_value_that_keeps_its_rule_is_taken(name: str, value: str) -> None:
    load_settings(**{name: value})


def test_sasl_needs_mechanism_user_and_password() -> None:
    assert problems(kafka_security_protocol="SASL_SSL") == [
        "DIALFEED_KAFKA_SASL_MECHANISM",
        "DIALFEED_KAFKA_SASL_USERNAME",
        "DIALFEED_KAFKA_SASL_PASSWORD",
    ]


def test_a_password_without_sasl_is_refused_because_it_would_protect_nothing() -> None:
    assert problems(kafka_sasl_password="hunter2") == ["DIALFEED_KAFKA_SASL_PASSWORD"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kafka_sasl_password", "hunter2"),
        ("clickhouse", "clickhouse:/user:hunter2@host"),
        ("clickhouse", "clickhouse://user:hunter2"),
        ("clickhouse", "clickhouse://user:hunter2%40host"),
        ("clickhouse", "clickhouse://user:a://hunter2@host/b"),
        ("clickhouse", f"clickhouse://user:{'hunter2' * 50}/@host/b"),
        ("clickhouse", "user:hunter2@host"),
        ("clickhouse_password", "hunter2"),
        ("calling_service", "https:/user:hunter2@host"),
        ("calling_service", "https://user:hunter2 @host/a?b=http://c@d"),
        ("http", "user:hunter2@host:1"),
        ("url", "https:/user:hunter2@host"),
        ("clickhouse", "http://host/?password=hunter2"),
        ("kafka", "user:hunter2@host"),
    ],
)
def test_no_message_shows_a_secret(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**{name: value})
    assert "hunter2" not in f"{caught.value} {caught.value!r}"
    assert caught.value.__cause__ is None


def test_settings_do_not_show_their_secrets() -> None:
    settings = load_settings(api_key="df_secret")
    assert "df_secret" not in f"{settings} {settings!r}"


def test_a_wrong_value_cannot_forge_a_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(log="human\nERROR all is lost")
    assert "\nERROR" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_said_so() -> None:
    Path(".env").write_bytes(b"DIALFEED_KAFKA=\xff\n")
    assert problems() == [".env"]


def test_the_connection_has_everything_that_kafka_clients_need(tmp_path: Path) -> None:
    certificates = tmp_path / "ca.pem"
    certificates.touch()
    settings = load_settings(
        kafka="a:1",
        topic_prefix="p.",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="scram-sha-512",
        kafka_sasl_username="user",
        kafka_sasl_password="hunter2",
        kafka_ca_file=str(certificates),
    )
    connection = settings.kafka_connection()
    assert (connection.bootstrap, connection.prefix, connection.protocol) == ("a:1", "p.", "SASL_SSL")
    assert (connection.mechanism, connection.username, connection.password) == ("SCRAM-SHA-512", "user", "hunter2")
    assert connection.ca_file == str(certificates)


def test_the_data_folder_is_the_users_unless_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load_settings().data == tmp_path / "dialfeed"


def test_a_relative_xdg_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert load_settings().data == Path.home() / ".local" / "share" / "dialfeed"


def test_the_environment_of_children_sets_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(kafka="a:1", workers="2", api_key="df_secret")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_an_unknown_variable_is_named_with_the_nearest_known_one() -> None:
    Path(".env").write_text("DIALFEED_KAFKAA=a:1\nOTHER=1\n")
    unknown = unknown_variables({"DIALFEED_WORKER": "2", "DIALFEED_HTTP": "a:1", "PATH": ""}, Path(".env"))
    assert unknown == {"DIALFEED_KAFKAA": "DIALFEED_KAFKA", "DIALFEED_WORKER": "DIALFEED_WORKERS"}


def test_every_example_keeps_its_own_rule() -> None:
    for name, field in Settings.model_fields.items():
        example = str(field.json_schema_extra["example"])  # type: ignore[index]
        sasl = {"kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password"}
        alone = {*sasl, "kafka_ca_file", "clickhouse_password"}
        if name not in alone and name != "kafka_security_protocol":
            load_settings(**{name: example})


def test_the_table_in_the_documentation_is_the_one_in_the_code() -> None:
    document = (ROOT / "docs" / "operating.md").read_text()
    assert settings_table() in document


@pytest.mark.parametrize(
    "url", ["dialer:8080", "ftp://dialer", "http://", "http:///starts", "http://a b/", "https://h\n/"]
)
def test_what_is_no_address_of_a_calling_service_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="DIALFEED_CALLING_SERVICE is"):
        load_settings(calling_service=url)


@pytest.mark.parametrize("url", ["http://dialer", "https://u:p@dialer.example.com:8443/a?b=c", "http://[::1]:80/x"])
def test_an_address_of_a_calling_service_is_http_or_https(url: str) -> None:
    assert load_settings(calling_service=url).calling_service == url


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(calling_service="http://dialer", calling_service_secret="hunter2")
    assert "hunter2" not in str(caught.value)


SERVER = "clickhouse://dialfeed@clickhouse:8123/dialfeed"


@given(
    st.text(min_size=1).filter(str.isprintable) | st.sampled_from(["p@ss/w#rd%41:1", "a://b@c", "100%", "??", ":", "@"])
)
def test_a_clickhouse_password_is_taken_as_it_is(password: str) -> None:
    where = parse(load_settings(clickhouse=SERVER, clickhouse_password=password).clickhouse_url)
    assert where == Server("clickhouse", 8123, "dialfeed", "dialfeed", password, secure=False)
    assert str(where) == "clickhouse://clickhouse:8123/dialfeed"


@given(st.text("ab1/?#@:%[]\\ .", min_size=1).map("s3cret{}s3cret".format))
def test_a_password_that_breaks_a_url_is_shown_nowhere(password: str) -> None:
    try:
        settings = load_settings(clickhouse=f"clickhouse://dialfeed:{password}@clickhouse:8123/dialfeed")
        shown = str(parse(settings.clickhouse_url))
    except SettingsError as error:
        shown = f"{error} {error!r}"
    assert "s3cret" not in shown


@pytest.mark.parametrize("store", [None, "chdb:///folder", "clickhouse://me:1@host/db"])
def test_a_clickhouse_password_needs_a_server_whose_url_has_none(store: str | None) -> None:
    assert problems(clickhouse=store, clickhouse_password="hunter2") == ["DIALFEED_CLICKHOUSE_PASSWORD"]


def test_every_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIALFEED_CLICKHOUSE", SERVER)
    sasl = {"PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "me"}
    for name, value in sasl.items():
        monkeypatch.setenv(f"DIALFEED_KAFKA_{'SECURITY_' if name == 'PROTOCOL' else ''}{name}", value)
    names = secret_names(Settings)
    assert {"api_key", "clickhouse_password", "kafka_sasl_password", "calling_service_secret"} <= set(names)
    for name in names:
        (tmp_path / name).write_text(f"secret of {name}: p@ss/w#rd%41:1 é\n", encoding="utf-8")
        monkeypatch.setenv(f"DIALFEED_{name.upper()}_FILE", str(tmp_path / name))
    settings = load_settings()
    found = {name: getattr(settings, name).get_secret_value() for name in names}
    assert found == {name: f"secret of {name}: p@ss/w#rd%41:1 é" for name in names}


def test_a_secret_in_the_environment_wins_over_a_file_that_the_env_file_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("df_of_the_file")
    Path(".env").write_text(f"DIALFEED_API_KEY_FILE={tmp_path / 'key'}\n")
    assert load_settings().model_dump()["api_key"].get_secret_value() == "df_of_the_file"
    monkeypatch.setenv("DIALFEED_API_KEY", "df_of_the_environment")
    assert load_settings().model_dump()["api_key"].get_secret_value() == "df_of_the_environment"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"", "it is empty"), (b"\r\n", "it is empty"), (b"\xff", "not UTF-8")],
)
def test_a_file_without_a_secret_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("DIALFEED_API_KEY_FILE", str(file))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"DIALFEED_API_KEY_FILE is '{file}' ({reason})" in str(caught.value)
    assert "Example: DIALFEED_API_KEY_FILE=/run/secrets/dialfeed_api_key" in str(caught.value)


def test_a_secret_and_its_file_at_once_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("df_secret")
    monkeypatch.setenv("DIALFEED_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("DIALFEED_API_KEY", "df_hunter2")
    with pytest.raises(SettingsError, match="DIALFEED_API_KEY is set too") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_a_secret_where_its_files_name_belongs_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for mistaken in ("hunter2", "/hunter2", "/hunter2/="):
        monkeypatch.setenv("DIALFEED_API_KEY_FILE", mistaken)
        with pytest.raises(SettingsError) as caught:
            load_settings()
        assert "hunter2" not in str(caught.value)


def test_children_are_given_secrets_and_not_their_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("df_secret")
    monkeypatch.setenv("DIALFEED_API_KEY_FILE", str(tmp_path / "key"))
    settings = load_settings()
    given_to_children = without_secret_files({"DIALFEED_API_KEY_FILE": "f", "PATH": "p"}) | settings.environment()
    assert given_to_children == {"PATH": "p", "DIALFEED_API_KEY": "df_secret"}
    assert unknown_variables({"DIALFEED_API_KEY_FILE": "f"}, tmp_path / "none") == {}
