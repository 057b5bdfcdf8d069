"""Characters that nobody sees: they come along when text is copied from a page, a chat or a contact list.

One function for everything that people type or paste and dialfeed compares: telephone numbers, column headers, time
zone names, keys. Free text of a record is never changed.
"""

from __future__ import annotations

import re
from typing import Final

# The Unicode property Default_Ignorable_Code_Point (DerivedCoreProperties.txt of Unicode 16 and 17, unassigned code
# points included, so that later versions agree), which holds every Bidi_Control too; and U+FFFC, which stands where a
# picture or an attachment was. Blanks and control characters are no part of it.
_INVISIBLE: Final = re.compile(
    "["
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\ufffc\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]+"
)


def without_invisible(text: str) -> str:
    """Return the text without characters that have no look of their own; ASCII text is returned as it is."""
    return text if text.isascii() else _INVISIBLE.sub("", text)
