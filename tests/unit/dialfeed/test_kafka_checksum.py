from __future__ import annotations

import hashlib

import pytest

from dialfeed.kafka_jars import sha512_in

DIGEST = hashlib.sha512(b"kafka").hexdigest()
GROUPS = [DIGEST.upper()[at : at + 8] for at in range(0, 128, 8)]
NAME = "kafka_2.13-4.3.1.tgz"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{NAME}: {' '.join(GROUPS[:8])}\n{' ' * 22}{' '.join(GROUPS[8:])}\n", id="gpg --print-md"),
        pytest.param(f"{DIGEST}  {NAME}\n", id="sha512sum"),
        pytest.param(f"{DIGEST} *{NAME}\n", id="sha512sum --binary"),
        pytest.param(f"{DIGEST}  apache-{NAME}\n", id="a name that begins like a digit"),
        pytest.param(f"SHA512 ({NAME}) = {DIGEST}\n", id="BSD"),
        pytest.param(DIGEST.upper(), id="bare"),
    ],
)
def test_the_digest_is_found_in_every_way_apache_writes_it(text: str) -> None:
    assert sha512_in(text) == DIGEST


@pytest.mark.parametrize(
    "text", ["", "<html>Please log in</html>", DIGEST[:-1], f"{DIGEST}0", hashlib.sha256().hexdigest()]
)
def test_what_is_no_sha_512_is_not_taken_for_one(text: str) -> None:
    assert sha512_in(text) is None
