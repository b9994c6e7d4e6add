"""Find out how the bytes of a text file are to be read: packing, encoding, separator.

One pass over the bytes gives the hash of the content and proves or refutes UTF-8; nothing is guessed from a sample
that a later row could contradict.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from revgauge.sources.problems import Problem, refuse
from revgauge.sources.readers.base import MAX_RATIO, ReadOptions

_CHUNK = 1 << 20
_NOT_WINDOWS_1252 = b"\x81\x8d\x8f\x90\x9d"
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True, slots=True)
class TextFile:
    """How a text file is to be read."""

    path: Path
    name: str
    packed: bool
    encoding: str
    content_hash: str
    has_nul: bool
    odd_quotes: bool
    """The number of quotation marks is odd, so one may never be closed."""
    notices: tuple[Problem, ...] = ()

    def open(self) -> IO[bytes]:
        """The unpacked bytes."""
        return _open(self.path, packed=self.packed)

    def text(self) -> io.TextIOWrapper:
        """The decoded text, line ends kept."""
        return io.TextIOWrapper(self.open(), encoding=self.encoding, newline="")


def _open(path: Path, *, packed: bool) -> IO[bytes]:
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value] # gzip's reader is a byte stream


def examine(path: Path, name: str, options: ReadOptions) -> TextFile:
    """Read all bytes once and say how the text is to be read. Raises RefusedError for what cannot be text."""
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    scan = _Scan()
    try:
        with _open(path, packed=packed) as stream:
            while chunk := stream.read(_CHUNK):
                scan.add(chunk)
                if packed and scan.size > options.max_unpacked and scan.size > MAX_RATIO * path.stat().st_size:
                    raise refuse(
                        name,
                        "unsafe_archive",
                        f"the file unpacks to more than {options.max_unpacked >> 20} MB, over {MAX_RATIO} times "
                        "its size",
                        "Unpack it yourself if you trust it, or raise `max_unpacked_mb` for this input.",
                        unsafe=True,
                    )
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise refuse(
            name,
            "damaged",
            "the packed file is damaged or cut short",
            "Copy or export it again; the transfer was probably interrupted.",
        ) from error
    if scan.size == 0:
        raise refuse(
            name,
            "empty_file",
            "the file has no bytes at all",
            "Export it again; the export probably failed or was still running.",
        )
    encoding, notices = _encoding(path, name, scan, options, packed=packed)
    return TextFile(
        path,
        name,
        packed,
        encoding,
        scan.hash.hexdigest(),
        has_nul=scan.nul and not encoding.startswith("utf-16"),
        odd_quotes=scan.quotes % 2 == 1,
        notices=notices,
    )


class _Scan:
    """What one pass over the bytes tells."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.size = 0
        self.head = b""
        self.nul = False
        self.quotes = 0
        self.bad_at: int | None = None
        self.undefined = False
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def add(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        if not self.head:
            self.head = chunk[:4096]
        self.hash.update(chunk)
        self.nul = self.nul or b"\0" in chunk
        self.quotes += chunk.count(b'"')
        if not chunk.isascii():
            self.undefined = self.undefined or any(byte in chunk for byte in _NOT_WINDOWS_1252)
        if self.bad_at is None:
            pending = len(self._decoder.getstate()[0])
            try:
                self._decoder.decode(chunk)
            except UnicodeDecodeError as error:
                self.bad_at = self.size - pending + error.start
        self.size += len(chunk)


def _encoding(
    path: Path, name: str, scan: _Scan, options: ReadOptions, *, packed: bool
) -> tuple[str, tuple[Problem, ...]]:
    if options.encoding:
        try:
            return codecs.lookup(options.encoding).name, ()
        except LookupError as error:
            raise refuse(
                name,
                "unknown_encoding",
                f"there is no encoding `{options.encoding}`",
                "Use a name such as utf-8, windows-1252 or utf-16.",
            ) from error
    if scan.head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", ()
    if scan.head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", ()
    if scan.head.count(0) * 3 > len(scan.head):
        return ("utf-16-le" if scan.head[1:2] == b"\0" else "utf-16-be"), ()
    if scan.bad_at is None:
        return "utf-8", ()
    with _open(path, packed=packed) as stream:
        before = stream.read(scan.bad_at)
        byte = stream.read(1)
    row = before.count(b"\n") + 1
    where = f"the byte 0x{byte.hex().upper()} in row {row} is not UTF-8"
    if scan.undefined:
        raise refuse(
            name, "unknown_encoding", where, "Say how the file is encoded with `encoding:` for this input.", row=row
        )
    line = before[before.rfind(b"\n") + 1 :]
    first = before.split(b"\n", 1)[0].decode("windows-1252", "replace")
    separator = max(SEPARATORS, key=first.count)
    header = first.strip("\r\n").split(separator)
    place = line.count(separator.encode())
    notice = Problem(
        name,
        "assumed_encoding",
        f"{where}; it was read as windows-1252, which fits every byte of the file",
        "If names look wrong, say `encoding:` for this input; else write `encoding: windows-1252` to confirm.",
        row=row,
        column=header[place].strip('"') if place < len(header) else None,
        severity="notice",
    )
    return "windows-1252", (notice,)


def find_separator(file: TextFile, skip_lines: int, options: ReadOptions) -> str:
    """The character between the fields: the declared one, or the one that cuts the first rows into equal pieces."""
    if options.separator:
        return {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get(options.separator, options.separator)
    with file.text() as text:
        for _ in range(skip_lines):
            text.readline()
        sample = text.read(1 << 16)
    best, best_score = ",", (0.0, 0)
    for separator in SEPARATORS:
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if row][:200]
        if not rows or len(rows[0]) < 2:
            continue
        counts = Counter(len(row) for row in rows)
        score = (counts[len(rows[0])] / len(rows), len(rows[0]))
        if score > best_score:
            best, best_score = separator, score
    return best
