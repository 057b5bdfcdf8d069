"""The countries whose national forms of telephone numbers can be read, by ISO 3166 alpha-2 code.

They are the regions of libphonenumber, three of which ISO 3166 reserves only (AC, TA, XK). A test compares the two.
"""

from __future__ import annotations

from typing import Final

from schemas.invisible_characters import without_invisible

_CODES: Final = """
AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA
CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO
RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TG TH TJ TK TL TM TN TO TR TT
TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
COUNTRIES: Final = frozenset(_CODES.split())
_OFTEN_MEANT: Final = {"UK": "GB", "EN": "GB", "EL": "GR"}


def country_code(text: str) -> str | None:
    """Return the code that a text names, in either case, None where it names none."""
    code = without_invisible(text).strip().upper()
    return code if code in COUNTRIES else None


def country_remedy(text: str) -> str:
    """Return the sentence that says what to give instead of a text that names no country."""
    meant = _OFTEN_MEANT.get(text.strip().upper())
    return f"Give {meant} instead." if meant else "Give an ISO 3166 code of two letters, such as US or DE."
