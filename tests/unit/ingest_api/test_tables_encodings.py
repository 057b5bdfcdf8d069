from __future__ import annotations

import io
import json
import random

import pytest

from ingest_api.tables.encodings import EncodingError, encoding_of
from ingest_api.tables.languages import shares
from ingest_api.tables.reading import read_table, records_of

NAMES = {
    "cp1252": [
        "Müller Schröder Größe Weiß Zoë München Köln Nürnberg Lübeck Straße",
        "Hélène François Jérôme Chloé Noël Benoît Aurélie Besançon Gaëlle Loïc",
        "José Muñoz María Peña Ángel García Córdoba León Iñaki Begoña",
        "João Gonçalves Conceição Antônio Mendonça Araújo Simões Magalhães",
        "Åsa Öberg Björn Ström Ängström Östlund Märta Malmö Västerås",
        "Søren Jørgensen Åse Kærgaard Møller Ærø København Ålborg",
    ],
    "cp1250": [
        "Łukasz Łódź Kraków Świętosław Częstochowa Wójcik Małgorzata Grażyna",
        "Jiří Dvořák Žofie Šťastná Růžička Černý Kučera Třebíč Ondřej",
    ],
    "cp1251": ["Иван Петров Мария Иванова Сергей Кузнецов Ольга Смирнова Екатерина Новикова"],
    "koi8_r": ["Иван Петров Мария Иванова Сергей Кузнецов Ольга Смирнова Екатерина Новикова"],
    "cp866": ["Иван Петров Мария Иванова Сергей Кузнецов Ольга Смирнова Екатерина Новикова"],
    "cp1253": ["Γιώργος Παπαδόπουλος Μαρία Νικολάου Δημήτρης Αθήνα Θεσσαλονίκη Ελένη"],
    "cp1254": ["Şükrü Yılmaz İbrahim Çağlar Öztürk Ayşe Gülşen Işık Doğan Kılıç"],
    "cp1256": ["محمد علي فاطمة حسن عبدالله خالد نورة العتيبي يوسف إبراهيم"],
    "cp1257": ["Žydrūnas Kazlauskienė Šiauliai Panevėžys Rūta Gintarė Ąžuolas Klaipėda"],
    "cp932": ["田中太郎 鈴木花子 佐藤健 高橋美咲 渡辺 東京都 大阪府 山本さくら"],
    "gb18030": ["王伟 李娜 张敏 刘洋 陈静 北京市 上海 杨勇 赵磊 黄艳 周杰 吴霞"],
    "mac_roman": ["Müller Jäger Größe Köhler Günther Hélène François Jérôme München Muñoz"],
}
LISTS = [(encoding, names.split()) for encoding, lists in NAMES.items() for names in lists]


def contacts(names: list[str]) -> str:
    return "phoneNumber,name\n" + "".join(f"1212555{n:04},{name}\n" for n, name in enumerate(names))


@pytest.mark.parametrize(("encoding", "names"), LISTS, ids=[names[0] for _, names in LISTS])
def test_a_list_of_names_tells_its_encoding_and_the_answer_says_that_it_was_guessed(
    encoding: str, names: list[str]
) -> None:
    table = read_table(io.BytesIO(contacts(names).encode(encoding)))
    assert [json.loads(record.raw)["name"] for record in records_of(table, None)] == names
    assert table.notes.encoding_guessed


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(("encoding", "names"), LISTS, ids=[names[0] for _, names in LISTS])
def test_a_short_list_is_read_rightly_or_refused(encoding: str, names: list[str], count: int) -> None:
    chosen = random.Random(count)
    for _ in range(4):
        text = contacts(chosen.sample(names, count))
        try:
            found = encoding_of(io.BytesIO(text.encode(encoding)))
        except EncodingError as error:
            assert "name it as `encoding`" in str(error)  # noqa: PT017  either is right
        else:
            assert text.encode(encoding).decode(found.name) == text


def test_where_it_is_not_clear_the_candidates_are_named() -> None:
    with pytest.raises(EncodingError, match=r"may be windows-125\d or windows-125\d.*`encoding`.*--encoding"):
        encoding_of(io.BytesIO("phoneNumber,name\n1,Thérèse\n".encode("cp1252")))


@pytest.mark.parametrize("named", ["cp1250", "windows-1250", " Windows-1250 "])
def test_an_encoding_that_is_named_is_taken(named: str) -> None:
    table = read_table(io.BytesIO("phoneNumber,name\n1,Ł\n".encode("cp1250")), named)
    (record,) = records_of(table, None)
    assert json.loads(record.raw)["name"] == "Ł"
    assert (table.notes.encoding, table.notes.encoding_guessed) == ("windows-1250", False)


@pytest.mark.parametrize(
    ("content", "named", "said"),
    [
        ("phoneNumber\n1\n", "klingon", "'klingon' is no known encoding"),
        ("phoneNumber\n1\n", "base64", "'base64' is no known encoding"),
        ("phoneNumber,n\n1,\u00eb\n", "ascii", "the text is not ascii"),
    ],
)
def test_a_name_that_is_no_encoding_or_not_that_of_the_text_is_refused(content: str, named: str, said: str) -> None:
    with pytest.raises(EncodingError, match=said):
        list(records_of(read_table(io.BytesIO(content.encode()), named), None))


def test_a_mark_says_more_than_a_name() -> None:
    assert encoding_of(io.BytesIO("phoneNumber\n1\n".encode("utf-8-sig")), "cp1252").shown == "utf-8"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_utf_needs_no_guess(encoding: str) -> None:
    found = encoding_of(io.BytesIO("phoneNumber,name\n1,Müller\n".encode(encoding)))
    assert (found.shown, found.guessed) == (encoding, False)


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Größe Muñoz", "cp1252", (1.0, 0.5)),
        ("Mьller", "cp1251", (0.0, 0.0)),
        ("£ukasz", "cp1252", (0.0, 0.0)),
        ("12 € – “Zoë”", "cp1252", (1.0, 0.5)),
        ("Bob", "cp1252", (1.0, 1.0)),
    ],
)
def test_words_are_of_a_language_of_their_encoding(text: str, encoding: str, expected: tuple[float, float]) -> None:
    assert shares(text, encoding) == expected
