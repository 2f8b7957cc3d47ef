"""Which legacy encoding a file is in, judged by whether its words could be anybody's name.

Names are too short for the statistics of running text, which take `Dvořák` in cp1250 for `Dvoøák` in cp1252.
So charset-normalizer proposes, and a proposal counts only where the words are spelled with the letters of one
language each. Two readings that stay equally likely are refused: a wrong guess would spoil names in silence.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from charset_normalizer import from_bytes

_ENOUGH = 16 * 1024
# the likelier first: its name is shown where several read alike
_WINDOWS = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257")
_ISO = ("iso8859_15", "iso8859_2", "iso8859_5", "iso8859_7", "iso8859_9")
_OLDER = ("cp850", "cp852", "cp866", "mac_roman", "mac_cyrillic", "koi8_r", "koi8_u")
_EASTERN = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
_PROPOSED = [*_WINDOWS, *_ISO, *_OLDER, *_EASTERN]
_WEST = (
    "äöüßéèë",
    "àâæçéèêëîïôœùûüÿ",
    "áéíóúüñ",
    "ãáâàçéêíóôõú",
    "àèéìíîòóù",
    "æøåéèôüö",
    "åäöéü",
    "éëïöüèó",
)
_NORTH = ("áéíóúýðþæö", "ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž")
_EAST = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîșțşţ", "çğıöşüâî")
_ALPHABETS = [frozenset(letters) for letters in (*_WEST, *_NORTH, *_EAST)]
_SCRIPTS = [
    {"CJK"},
    {"CJK", "HIRAGANA", "KATAKANA"},
    {"HANGUL"},
    {"CYRILLIC"},
    {"GREEK"},
    {"HEBREW"},
    {"ARABIC"},
]
_DOT_ABOVE = "\u0307"  # what lower() leaves beside the i of a Turkish İ
_PLAUSIBLE = 0.95
_RIVAL = 0.8
_CLEARER = 0.08
_EVIDENCE = 8  # words, below which a tie of readings stays a tie


@dataclass(frozen=True, slots=True)
class _Reading:
    codec: str
    letters: str
    words: int
    share: float  # of the words that could be somebody's name
    languages: int  # that are needed to spell them all
    mess: float


@dataclass(slots=True)
class Sample:
    """The lines with bytes beyond ASCII: the first 16 KB of them, and every byte value that comes later."""

    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    valid: int = 0
    invalid: int = 0
    seen: set[int] = field(default_factory=set)

    def add(self, line: bytes) -> None:
        if line.isascii():
            return
        if _is_utf8(line):
            self.valid += 1
        else:
            self.invalid += 1
        fresh = {byte for byte in line if byte > 127} - self.seen
        if fresh or self.size < _ENOUGH:
            self.seen |= fresh
            self.lines.append(line)
            self.size += len(line)

    @property
    def mostly_utf8(self) -> bool:
        return self.valid >= self.invalid

    def guess(self) -> tuple[str | None, list[tuple[str, str]]]:
        """The encoding, or None; with how each candidate would read the letters."""
        readings = self._readings()
        rivals = sorted((one for one in readings if one.share >= _RIVAL), key=_order)
        offered = [(one.codec, one.letters) for one in rivals or readings]
        if not rivals or rivals[0].share < _PLAUSIBLE:
            return None, offered
        best, others = rivals[0], rivals[1:]
        return (best.codec if all(_beats(best, other) for other in others) else None), offered

    def _readings(self) -> list[_Reading]:
        sample = b"".join(self.lines)
        proposals = from_bytes(
            sample,
            steps=8,
            chunk_size=2048,
            cp_isolation=_PROPOSED,
            enable_fallback=False,
            preemptive_behaviour=False,
        )
        mess = {codec: match.chaos for match in proposals for codec in match.could_be_from_charset}
        readings: dict[str, _Reading] = {}
        for codec in sorted(mess.keys() & set(_PROPOSED), key=_PROPOSED.index):
            text = sample.decode(codec)
            readings.setdefault(text, _read(codec, text, mess[codec]))
        return list(readings.values())


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _order(reading: _Reading) -> tuple[bool, int, float, int]:
    return reading.share < _PLAUSIBLE, reading.languages, reading.mess, _PROPOSED.index(reading.codec)


def _beats(best: _Reading, other: _Reading) -> bool:
    fewer = other.languages - best.languages
    simpler = best.words >= _EVIDENCE and (fewer > 1 or (fewer == 1 and best.languages == 1))
    return simpler or best.mess + _CLEARER <= other.mess


def _read(codec: str, text: str, mess: float) -> _Reading:
    words = {word for word in re.split(r"[\x00-@\[-`{-\x7f]+", text) if not word.isascii()}
    spelled = [choices for word in words if (choices := _languages(word))]
    letters = "".join(sorted({letter for word in words for letter in word if not letter.isascii()}))
    return _Reading(codec, letters[:12], len(words), len(spelled) / max(len(words), 1), _cover(spelled), mess)


def _languages(word: str) -> frozenset[int]:
    """The alphabets and scripts that have all letters of the word; none where its letters or case are odd."""
    if not word.isalpha() or not (word.islower() or word.istitle() or word.upper() == word):
        return frozenset()
    scripts = {unicodedata.name(letter, "?").split()[0].split("-")[0] for letter in word}
    if scripts == {"LATIN"}:
        rare = {letter for letter in word.lower() if not letter.isascii()} - {_DOT_ABOVE}
        return frozenset(place for place, alphabet in enumerate(_ALPHABETS) if rare <= alphabet)
    return frozenset(-1 - place for place, allowed in enumerate(_SCRIPTS) if scripts <= allowed)


def _cover(spelled: list[frozenset[int]]) -> int:
    """How few languages spell all the words (greedily)."""
    count = 0
    while spelled:
        languages = [language for choices in spelled for language in choices]
        commonest = max(set(languages), key=languages.count)
        spelled = [choices for choices in spelled if commonest not in choices]
        count += 1
    return count
