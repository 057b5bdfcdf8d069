"""What can go wrong with the local Kafka. Every message says what to do next.

LocalKafkaError
 +- JavaMissingError        no Java 17 or newer
 +- JarsUnavailableError    Kafka itself could not be fetched
 +- DataFolderInUseError    another living process runs Kafka in this data folder
 +- PortTakenError          the port that was asked for is in use
 +- BrokerFailedError       the broker ended, or did not answer in time
"""

from __future__ import annotations

from schemas.messages import MustStopError


class LocalKafkaError(MustStopError):
    """Raised when the local Kafka cannot run before somebody does what the message says."""


class JavaMissingError(LocalKafkaError):
    pass


class JarsUnavailableError(LocalKafkaError):
    pass


class DataFolderInUseError(LocalKafkaError):
    pass


class PortTakenError(LocalKafkaError):
    pass


class BrokerFailedError(LocalKafkaError):
    pass
