"""Reference transcripts are found for the right clip, whatever form they come in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.errors import UserError
from analysis.evaluation.references import read_references, references_by_name


def test_text_is_the_reference_of_one_clip() -> None:
    assert read_references("go forward", [Path("a.wav")]) == ["go forward"]


def test_text_for_two_clips_is_refused() -> None:
    with pytest.raises(UserError, match="2 clips"):
        read_references("go forward", [Path("a.wav"), Path("b.wav")])


def test_librispeech_lines_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    table = tmp_path / "84-1.trans.txt"
    table.write_text("84-1-0000 THE FIRST\n84-1-0001 AND THE SECOND\n")
    clips = [Path("x/84-1-0001.flac"), Path("y/84-1-0000.flac")]
    assert read_references(str(table), clips) == ["AND THE SECOND", "THE FIRST"]


def test_metadata_csv_is_read_by_column_name(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text('file_name,voice,transcription\nsub/a.wav,f1,"yes, please"\nb.wav,f2,no\n')
    assert read_references(str(table), [Path("b.wav"), Path("a.wav")]) == ["no", "yes, please"]


def test_manifest_is_read_by_field_name(tmp_path: Path) -> None:
    table = tmp_path / "manifest.jsonl"
    rows = [{"audio_filepath": "sub/a.wav", "text": "yes"}, {"audio_filepath": "b", "text": "no"}]
    table.write_text("\n".join(map(json.dumps, rows)))
    assert read_references(str(table), [Path("b.wav"), Path("a.wav")]) == ["no", "yes"]
    with pytest.raises(UserError, match=r"no transcript for c\.wav"):
        read_references(str(table), [Path("c.wav")])


@pytest.mark.parametrize(
    ("content", "clip", "message"),
    [
        pytest.param("file_name,voice\na.wav,f1\n", "a.wav", "transcription", id="no transcripts"),
        pytest.param("file_name,transcription\na.wav,yes\n", "b.wav", r"b\.wav", id="no line"),
        pytest.param(
            'file_name,text\na.wav,"one\nb.wav,three\n',
            "a.wav",
            r"metadata\.csv, from line 2 on: It is no CSV: unexpected end of data; ",
            id="open quotes",
        ),
        pytest.param(
            "text,file_name\nhello\n", "a.wav", r"no transcript for a\.wav", id="short row"
        ),
    ],
)
def test_metadata_csv_that_gives_no_text_for_a_clip_is_refused(
    content: str, clip: str, message: str, tmp_path: Path
) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text(content)
    with pytest.raises(UserError, match=message):
        read_references(str(table), [Path(clip)])


def test_plain_lines_belong_to_clips_in_order(tmp_path: Path) -> None:
    table = tmp_path / "texts.txt"
    table.write_text("first one\n\nsecond one\n")
    assert read_references(str(table), [Path("a.wav"), Path("b.wav")]) == [
        "first one",
        "second one",
    ]
    with pytest.raises(UserError, match="2 lines for 3 clips"):
        read_references(str(table), [Path("a.wav"), Path("b.wav"), Path("c.wav")])


def test_lines_of_a_file_for_one_clip_are_one_text(tmp_path: Path) -> None:
    table = tmp_path / "text.txt"
    table.write_text("first line\nsecond line\n")
    assert read_references(str(table), [Path("a.wav")]) == ["first line second line"]


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "noise.txt"
    table.write_bytes(b"\xff\xfe\x00\xd8\x80")
    with pytest.raises(UserError, match=r"noise\.txt"):
        read_references(str(table), [Path("a.wav")])


def test_quoted_line_break_of_a_csv_keeps_its_words_apart(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text('file_name,text\na.wav,"one\ntwo"\nb.wav,three\n')
    assert read_references(str(table), [Path("a.wav"), Path("b.wav")]) == ["one two", "three"]


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    table = tmp_path / "texts.txt"
    table.write_text("one\u2028two\nthree\n")
    clips = [Path("a.wav"), Path("b.wav")]
    assert read_references(str(table), clips) == ["one\u2028two", "three"]


def test_text_that_begins_like_a_home_folder_is_a_text() -> None:
    assert read_references("~nobody-here said so", [Path("a.wav")]) == ["~nobody-here said so"]


def test_names_match_in_both_unicode_forms_and_with_backslashes(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text("file_name,transcription\nclips\\\u00e9t\u00e9.wav,oui\n")
    assert read_references(str(table), [Path("e\u0301te\u0301.wav")]) == ["oui"]
    lines = tmp_path / "lines.txt"
    lines.write_text("\u00e9t\u00e9 oui\nb non\n")
    assert read_references(str(lines), [Path("b.wav"), Path("e\u0301te\u0301.wav")]) == [
        "non",
        "oui",
    ]


CLIPS = ["a.wav", "84-1-0001.flac", "Recording 1"]


@pytest.mark.parametrize(
    ("table", "content", "expected"),
    [
        ("metadata.csv", "file_name,transcription\nsub/a.wav,yes\nx.wav,no\n", {"a.wav": "yes"}),
        ("m.jsonl", '{"audio_filepath": "84-1-0001", "text": "no"}', {"84-1-0001.flac": "no"}),
        ("84-1.trans.txt", "84-1-0001 AND MORE\n84-1-0002 x\n", {"84-1-0001.flac": "AND MORE"}),
        ("a.txt", "\ufeffyes, please\nand thanks\n", {"a.wav": "yes, please and thanks"}),
        ("Recording 1.TXT", "hello there", {"Recording 1": "hello there"}),
    ],
)
def test_an_upload_is_matched_by_file_name(
    table: str, content: str, expected: dict[str, str]
) -> None:
    assert references_by_name(table, content.encode(), CLIPS) == expected


@pytest.mark.parametrize(
    ("table", "content", "said"),
    [
        ("b.txt", b"yes please", "names none of the clips"),
        ("a.txt", b"\n  \n", "names none of the clips"),
        ("a.txt", b"\xff\xfe\x00", "cannot be read as text"),
        ("m.csv", b"clip,words\na.wav,yes\n", "lacks the columns"),
        ("m.jsonl", b"[1]", "names none of the clips"),
        ("../../m.csv", b"file_name,transcription\n", "names none of the clips"),
    ],
)
def test_an_upload_that_names_no_clip_is_refused(table: str, content: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        references_by_name(table, content, CLIPS)
    if table == "m.jsonl":
        assert "line 1: It is no JSON object" in caught.value.remedy


@pytest.mark.parametrize(
    "given",
    [
        "refs.txt",
        "/no/such/place",
        "clips/metadta.csv",
        "a b.jsonl",
        "tests/refs.lab",
        "words.md",
        "~/words",
        "https://x.org/words",
    ],
)
def test_a_path_that_leads_nowhere_is_no_text(given: str) -> None:
    with pytest.raises(UserError, match="no file"):
        read_references(given, [Path("a.wav")])


def said(read: Callable[[], str]) -> str:
    """The text, or why there is none."""
    try:
        return read()
    except UserError as error:
        return error.message


@pytest.mark.parametrize(
    "lines",
    [
        ["a.wav,one two", "b.wav,three"],
        ["a: one two", "b: three"],
        ['"a.wav" one two', '"b.wav" three'],
        ["a|one two|one two", "b|three|three"],
        ["clips/a one two", "clips/b three"],
        ["one two (a)", "three (b)"],
        ["x.wav one", "some a.wav two"],
    ],
)
def test_names_that_are_written_otherwise_are_no_words(tmp_path: Path, lines: list[str]) -> None:
    table = tmp_path / "t.txt"
    table.write_text("\n".join(lines))
    for clips in ([Path("a.wav"), Path("b.wav")], [Path("a.wav")]):
        with pytest.raises(UserError, match=r"in a way that is not read|no transcript"):
            read_references(str(table), clips)


def test_a_text_has_no_zeros(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("five one".encode("utf-16-le"))
    with pytest.raises(UserError, match="cannot be read as text"):
        read_references(str(tmp_path / "t.txt"), [Path("a.wav")])


@pytest.mark.parametrize("name", ["x.srt", "x.vtt", "x.tsv", "x.docx", "x.stm"])
def test_formats_that_are_not_read_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("1\n00:00:00,000 --> 00:00:02,000\nfive one\n")
    with pytest.raises(UserError, match="no file that references are read from"):
        read_references(str(tmp_path / name), [Path("a.wav")])
    with pytest.raises(UserError, match="no file that references are read from"):
        references_by_name(name, b"five one", ["a.wav"])


def test_a_manifest_may_be_called_json(tmp_path: Path) -> None:
    table = tmp_path / "manifest.json"
    table.write_text('{"audio_filepath": "x/a.wav", "text": "yes"}\n')
    assert read_references(str(table), [Path("a.wav")]) == ["yes"]


def test_two_clips_of_one_name_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    table.write_text("file_name,transcription\nA/a.wav,yes\n")
    with pytest.raises(UserError, match=r"Several clips are called a\.wav"):
        read_references(str(table), [Path("A/a.wav"), Path("B/a.wav")])


def test_a_folder_is_no_text() -> None:
    with pytest.raises(UserError, match="is a folder"):
        read_references("tests/analysis", [Path("a.wav")])


@pytest.mark.parametrize(
    ("table", "content", "expected"),
    [
        pytest.param("set.txt", "set the alarm\n", "set the alarm", id="called as the clip is"),
        pytest.param("set.txt", "set.flac set the alarm\n", "set the alarm", id="whole name"),
        pytest.param("words.txt", "please set the alarm\n", "please set the alarm", id="no name"),
        pytest.param("words.txt", "set the alarm\n", "may be the name", id="either"),
        pytest.param("words.txt", "set the alarm\ngo on\n", "may be the name", id="either, twice"),
        pytest.param("t.txt", "a.flac yes\nb.flac no\n", "no transcript", id="of others"),
        pytest.param("t.txt", "1-2-3 yes\n", "no transcript", id="of another"),
    ],
)
def test_a_name_is_told_from_a_word(
    tmp_path: Path, table: str, content: str, expected: str
) -> None:
    """A clip's name that is counted as a word, and a word that is taken for a name, are errors."""
    (tmp_path / table).write_text(content)
    clip = "set.flac"
    by_file = said(lambda: read_references(str(tmp_path / table), [Path(clip)])[0])
    by_upload = said(lambda: references_by_name(table, content.encode(), [clip])[clip])
    assert expected in by_file
    assert expected in by_upload or "names none" in by_upload


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("digits five one\nnumbr six\n", "no transcript for number.flac"),
        ("number six\ndigits\n", ["", "six"]),
        ("five one\nsix\n", ["five one", "six"]),
        ("digits\nnumber\n", ["digits", "number"]),
    ],
)
def test_lines_with_names_go_to_no_other_clip(
    tmp_path: Path, content: str, expected: str | list[str]
) -> None:
    table, clips = tmp_path / "t.txt", [Path("digits.flac"), Path("number.flac")]
    table.write_text(content)
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            read_references(str(table), clips)
    else:
        assert read_references(str(table), clips) == expected


def test_a_slash_makes_no_path_of_what_is_said() -> None:
    assert read_references("24/7", [Path("a.wav")]) == ["24/7"]


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(UserError, match="empty"):
        read_references(" ", [Path("a.wav")])


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("m.csv", "file_name,transcription\nx/a.wav,yes\ny/a.wav,no\n"),
        ("m.jsonl", '{"audio_filepath": "a.wav", "text": "yes"}\n'
         '{"audio_filepath": "a.wav", "text": "no"}\n'),
        ("84-1.trans.txt", "a.wav yes\na.wav no\n"),
    ],
)  # fmt: skip
def test_two_texts_for_one_clip_are_refused(tmp_path: Path, table: str, content: str) -> None:
    with pytest.raises(UserError, match=r"2 different transcripts for a\.wav"):
        references_by_name(table, content.encode(), CLIPS)
    (tmp_path / table).write_text(content)
    with pytest.raises(UserError, match=r"2 different transcripts for a\.wav"):
        read_references(str(tmp_path / table), [Path("a.wav")])
    (tmp_path / table).write_text(content.replace("no", "yes"))
    assert read_references(str(tmp_path / table), [Path("a.wav")]) == ["yes"]
