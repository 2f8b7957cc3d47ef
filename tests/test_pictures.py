"""The pictures of the analysts' page: each question has one, and none is heavy."""

from tests import pictures


def test_each_of_the_ten_questions_has_its_picture() -> None:
    text = pictures.PAGE.read_text(encoding="utf-8")
    found = pictures.drawn(text)
    assert len(found) == text.count("![") == 10
    assert {picture.file for picture in found} == {path.name for path in pictures.DOCS.glob("analysts-*.png")}
    for picture in found:
        png = (pictures.DOCS / picture.file).read_bytes()
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(png) < pictures.LARGEST, f"{picture.file} is heavy: python -m tests.pictures"
