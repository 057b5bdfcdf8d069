from __future__ import annotations

from pathlib import Path

import pytest

from dialfeed.setting_problems import SettingsError
from dialfeed.settings import Settings, load_settings
from dialfeed.settings_table import settings_table, unknown_variables

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DIALFEED_{name.upper()}", raising=False)


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
        alone = {"kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password", "kafka_ca_file"}
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
