"""Every setting, in one table: `Settings`. From environment variables, a `.env` in the working folder, and options.

Options win over the environment, which wins over `.env`; an empty variable counts as unset. Wrong values stop the
start, all of them named at once. Every secret can come from a file (`secret_files.py`). `docs/operating.md` shows the
table that is made of this class (`settings_table.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dialfeed.data_folder import default_data_folder
from dialfeed.exits import WrongUseError
from dialfeed.plain_text import one_line
from dialfeed.secret_files import PREFIX, SUFFIX, SecretFiles, UnusableFile, is_secret, secret_names
from dialfeed.setting_forms import MASK, is_http_url, is_server, is_topic_text, shown_address
from dialfeed.setting_problems import Problem, SettingsError
from schemas.kafka_connection import KafkaConnection
from schemas.variable_scalars import is_unicode
from sinks import clickhouse_url

ENV_FILE: Final = ".env"
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""A body may be one single record, and then has to fit into one message (`schemas.topics.MAX_MESSAGE_BYTES`)."""

MAX_UPLOAD_BYTES: Final = 256 * 1024 * 1024
LEAST_SECRET_CHARACTERS: Final = 16
_ADDRESSES: Final = ("kafka", "clickhouse", "http", "url", "calling_service")
"""Where people write passwords: a wrong value is shown only if it can hold none."""


def _setting(default: Any, meaning: str, *, rule: str, example: str, shown: str = "", **bounds: Any) -> Any:
    """Make a field. `shown` is the default as the table shows it."""
    extra: dict[str, Any] = {"rule": rule, "example": example, "shown": shown}
    return Field(default, description=meaning, json_schema_extra=extra, validate_default=True, **bounds)


class Settings(BaseSettings):
    """All settings, read once at the start of a command. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    data: Path = _setting(
        None,
        "folder for everything local: embedded ClickHouse, local Kafka, `run.json`",
        rule="a folder, or a path where one can be made",
        example="/var/lib/dialfeed",
        shown="`$XDG_DATA_HOME/dialfeed`, else `~/.local/share/dialfeed`",
    )
    kafka: str | None = _setting(
        None,
        "Kafka's bootstrap servers",
        rule="host:port, several with commas between them",
        example="kafka-1:9092,kafka-2:9092",
        shown="unset: `dialfeed run` starts a local Kafka",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = _setting(
        "PLAINTEXT",
        "Kafka's `security.protocol`",
        rule="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
        example="SASL_SSL",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = _setting(
        None,
        "Kafka's `sasl.mechanism`",
        rule="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; needed with a SASL protocol, and only there",
        example="SCRAM-SHA-512",
    )
    kafka_sasl_username: str | None = _setting(
        None,
        "user name for SASL",
        rule="text; needed with a SASL protocol, and only there",
        example="dialfeed",
    )
    kafka_sasl_password: SecretStr | None = _setting(
        None,
        "password for SASL",
        rule="text; needed with a SASL protocol, and only there",
        example="(a secret)",
    )
    kafka_ca_file: Path | None = _setting(
        None,
        "certificates that Kafka's TLS is checked against",
        rule="a PEM file that exists; only with SSL or SASL_SSL",
        example="/etc/ssl/kafka-ca.pem",
        shown="unset: the system's",
    )
    topic_prefix: str = _setting(
        "",
        "put before every topic name and consumer group, so that several installations share a cluster",
        rule="at most 100 letters, digits, dots, dashes and underscores",
        example="staging.",
        shown="empty",
    )
    clickhouse: str | None = _setting(
        None,
        "where rows are stored: a ClickHouse server (`clickhouses://` for TLS), or embedded chDB in a folder",
        rule="clickhouse://user@host:port/database, clickhouses://... or chdb:///folder; a password in it "
        "(user:password@) must be percent-encoded",
        example="clickhouse://dialfeed@clickhouse:8123/dialfeed",
        shown="unset: chDB in the data folder",
    )
    clickhouse_password: SecretStr | None = _setting(
        None,
        "password of the ClickHouse server's user, as it is",
        rule="text; only with a DIALFEED_CLICKHOUSE that is a server and holds no password",
        example="(a secret)",
    )
    http: str = _setting(
        "127.0.0.1:8080",
        "where the API listens, and where `send` and `report` look for it",
        rule="host:port; port 0 takes a free one",
        example="0.0.0.0:8080",
    )
    url: str | None = _setting(
        None,
        "URL of the API for `send`, `report` and the other commands that ask it, where `DIALFEED_HTTP` does not say it",
        rule="http://... or https://...",
        example="https://dialfeed.example.com",
        shown="unset: that of `DIALFEED_HTTP`, else of `run.json`",
    )
    api_key: SecretStr | None = _setting(
        None,
        "API key that `send`, `report`, `dead-letters` and `simulate` use",
        rule="a key that `dialfeed key create` showed",
        example="df_...",
    )
    admin_key: SecretStr | None = _setting(
        None,
        "admin key that `sql` uses",
        rule="a key that `dialfeed key create --admin` showed",
        example="df_...",
        shown="unset: `admin.key` in the data folder, kept by the API that made the first one",
    )
    calling_service: str | None = _setting(
        None,
        "URL that the sink POSTs to when a batch starts, see docs/calling-service.md",
        rule="http://... or https://...",
        example="https://dialer.example.com/starts",
        shown="unset: only the topic `calls.dialer`",
    )
    calling_service_secret: SecretStr | None = _setting(
        None,
        "secret that those POSTs are signed with",
        rule="text of at least 16 characters",
        example="(a secret of 32 characters)",
        shown="unset: not signed",
    )
    sink_offsets: Literal["check", "accept"] = _setting(
        "check",
        "whether the sink stops where ClickHouse and the offsets of Kafka do not fit, or takes them as they are, once",
        rule="check or accept",
        example="check",
    )
    log: Literal["human", "json"] | None = _setting(
        None,
        "form of the log lines on stderr",
        rule="human or json",
        example="json",
        shown="human on a terminal, else json",
    )
    workers: int = _setting(
        1,
        "worker processes that `run` starts",
        rule="a whole number from 1 to 64",
        example="2",
        ge=1,
        le=64,
    )
    wait_seconds: float = _setting(
        30.0,
        "how long an HTTP request waits for its report before it is answered 202",
        rule="a number from 0.1 to 300",
        example="10",
        ge=0.1,
        le=300.0,
        allow_inf_nan=False,
    )
    max_waiting: int = _setting(
        256,
        "HTTP requests that may wait at a time; more are answered 429",
        rule="a whole number from 1 to 100000",
        example="64",
        ge=1,
        le=100_000,
    )
    max_body_bytes: int = _setting(
        MAX_BODY_BYTES,
        "largest HTTP body, after inflating",
        rule=f"a whole number from 1024 to {MAX_BODY_BYTES}",
        example="8388608",
        ge=1024,
        le=MAX_BODY_BYTES,
    )
    max_upload_bytes: int = _setting(
        64 * 1024 * 1024,
        "largest form of `POST /api/call/upload`, after inflating",
        rule=f"a whole number from 1024 to {MAX_UPLOAD_BYTES}",
        example="16777216",
        ge=1024,
        le=MAX_UPLOAD_BYTES,
    )
    max_record_bytes: int = _setting(
        16 * 1024,
        "largest record, as sent; a larger one is dead-lettered alone",
        rule="a whole number from 64 to 1048576",
        example="65536",
        ge=64,
        le=1024 * 1024,
    )

    breaker_share: float = _setting(
        0.2,
        "share of the last records that a worker may dead-letter for a fault that is not in the data, such as a schema "
        "that cannot be used; before more it waits until the cause is gone. 1 never waits",
        rule="a number from 0 to 1",
        example="0.05",
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
    )
    breaker_records: int = _setting(
        1000,
        "how many last records that share is of",
        rule="a whole number from 1 to 1000000",
        example="10000",
        ge=1,
        le=1_000_000,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's folder of secrets is not used
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the files that a source names before its own variables."""
        variables = (env_settings, dotenv_settings)
        return (init_settings, *(each for one in variables for each in (SecretFiles(settings_cls, one), one)))

    @property
    def http_address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.http.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def clickhouse_url(self) -> str:
        """Where rows are stored; may hold a password."""
        url = self.clickhouse or f"chdb://{self.data / 'clickhouse'}"
        if self.clickhouse_password is None:
            return url
        return clickhouse_url.with_password(url, self.clickhouse_password.get_secret_value())

    @property
    def embedded(self) -> bool:
        """Whether rows are stored by chDB, which only one process at a time may open."""
        return self.clickhouse_url.startswith("chdb:")

    @property
    def kafka_folder(self) -> Path:
        """Where the local Kafka keeps everything."""
        return self.data / "kafka"

    def kafka_connection(self, bootstrap: str | None = None) -> KafkaConnection:
        """Return how to reach Kafka at `bootstrap`, else at the servers that are set. Raise WrongUseError."""
        servers = bootstrap or self.kafka
        if servers is None:
            raise WrongUseError("no Kafka is set", "Set DIALFEED_KAFKA to its bootstrap servers, such as kafka:9092.")
        return KafkaConnection(
            bootstrap=servers,
            prefix=self.topic_prefix,
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=self.kafka_sasl_password.get_secret_value() if self.kafka_sasl_password else None,
            ca_file=str(self.kafka_ca_file) if self.kafka_ca_file else None,
        )

    def environment(self) -> dict[str, str]:
        """Return what was set, however it was, as the variables that set it again: for our own child processes."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {PREFIX + name.upper(): _plain(value) for name, value in given.items() if value is not None}

    @field_validator("data", mode="before")
    @classmethod
    def _data_folder(cls, value: object) -> object:
        return default_data_folder() if value is None else value

    @field_validator("data")
    @classmethod
    def _absolute_folder(cls, value: Path) -> Path:
        folder = value.expanduser().absolute()
        _require(not folder.exists() or folder.is_dir())
        return folder

    @field_validator("kafka")
    @classmethod
    def _bootstrap_servers(cls, value: str | None) -> str | None:
        if value is None:
            return None
        servers = [server.strip() for server in value.split(",")]
        _require(all(is_server(server, lowest=1) for server in servers))
        return ",".join(servers)

    @field_validator("kafka_security_protocol", "kafka_sasl_mechanism", mode="before")
    @classmethod
    def _upper_case(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("log", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _with_sasl_only(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security_protocol")
        if protocol is not None:  # else that is wrong already
            _require(protocol.startswith("SASL") == (value is not None))
        return value

    @field_validator("kafka_ca_file")
    @classmethod
    def _with_tls_only(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None:
            _require(info.data.get("kafka_security_protocol", "SSL").endswith("SSL"))
            _require(value.expanduser().is_file())
        return value.expanduser().absolute() if value is not None else None

    @field_validator("topic_prefix")
    @classmethod
    def _topic_text(cls, value: str) -> str:
        _require(is_topic_text(value))
        return value

    @field_validator("clickhouse")
    @classmethod
    def _store_url(cls, value: str | None) -> str | None:
        if value is not None:
            clickhouse_url.parse(value)  # raises ValueError
        return value

    @field_validator("clickhouse_password")
    @classmethod
    def _with_server_only(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and "clickhouse" in info.data:  # else that is wrong already
            where = clickhouse_url.parse(info.data["clickhouse"] or "chdb:///default")
            _require(isinstance(where, clickhouse_url.Server) and not where.password)
            _require(is_unicode(value.get_secret_value()))
        return value

    @field_validator("calling_service", "url")
    @classmethod
    def _service_url(cls, value: str | None) -> str | None:
        _require(value is None or is_http_url(value))
        return value

    @field_validator("calling_service_secret")
    @classmethod
    def _service_secret(cls, value: SecretStr | None) -> SecretStr | None:
        _require(value is None or len(value.get_secret_value()) >= LEAST_SECRET_CHARACTERS)
        return value

    @field_validator("http")
    @classmethod
    def _listen_address(cls, value: str) -> str:
        _require(is_server(value, lowest=0))
        return value


def without_secret_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for our own child processes, which are given the secrets themselves."""
    files = {f"{PREFIX}{name}{SUFFIX}".upper() for name in secret_names(Settings)}
    return {name: value for name, value in environment.items() if name.upper() not in files}


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _require(kept: bool) -> None:
    if not kept:
        raise ValueError("the rule is not kept")


def load_settings(**options: Any) -> Settings:
    """Read the settings; options that are None count as not given. Raise SettingsError."""
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        raise SettingsError([_problem(one) for one in error.errors(include_url=False)]) from None
    except UnicodeDecodeError:
        problem = Problem(ENV_FILE, "not UTF-8", "a text file in UTF-8, one NAME=value a line", "127.0.0.1:8080")
        raise SettingsError([problem]) from None


def _problem(error: Any) -> Problem:
    if isinstance(error["input"], UnusableFile):
        return error["input"].problem()
    name = str(error["loc"][0])
    field = Settings.model_fields[name]
    extra = documented(field)
    return Problem(PREFIX + name.upper(), _shown(name, error["input"]), extra["rule"], extra["example"])


def documented(field: FieldInfo) -> dict[str, str]:
    """Return a setting's `rule`, `example` and `shown`: its default, where that is not just the value."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}  # type: ignore[return-value]  # ours are texts


def _shown(name: str, value: object) -> str:
    if value is None:
        return "not set"
    if is_secret(Settings.model_fields[name]):
        return MASK
    if name in _ADDRESSES:
        return shown_address(str(value))
    text = one_line(str(value), most=200)
    return repr(text) if isinstance(value, str) else text
