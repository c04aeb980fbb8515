"""Reads base64 text as bytes, a block at a time: memory stays small whatever the text's size. Pure."""

from __future__ import annotations

import base64
import binascii

_BLOCK = 48 * 1024
_BLOCK_TEXT = _BLOCK // 3 * 4
_MAX_LINE = 64 * 1024


class EndOfInput(Exception):
    """The value ends before what was asked for."""


class NotBase64(Exception):
    """The text holds characters that base64 does not have."""


class Base64Reader:
    """A forward reader. Large skips cost nothing: the text in between is never decoded."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._index = -1
        self._block = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes; keep sizes small.

        Raises:
            EndOfInput, NotBase64
        """
        end = self._at + size
        if end <= len(self._block):
            data = self._block[self._at : end]
            self._at = end
            return data
        data = self.take(size, keep=size)
        if len(data) < size:
            raise EndOfInput
        return data

    def byte(self) -> int:
        """Return the next byte.

        Raises:
            EndOfInput, NotBase64
        """
        if self._at >= len(self._block):
            self._next_block()
        value = self._block[self._at]
        self._at += 1
        return value

    def take(self, size: int, *, keep: int) -> bytes:
        """Pass over ``size`` bytes and return the first ``keep`` of them, or fewer where the value ends before.

        Passing beyond the end is not an error here; the next read raises.
        """
        wanted = min(size, keep)
        parts: list[bytes] = []
        got = 0
        while got < wanted:
            part = self._block[self._at : self._at + wanted - got]
            if not part:
                try:
                    self._next_block()
                except EndOfInput:
                    return b"".join(parts)
                continue
            parts.append(part)
            got += len(part)
            self._at += len(part)
        self._skip(size - got)
        return b"".join(parts)

    def line(self) -> bytes:
        """Return the bytes up to the next newline, which is passed over.

        Raises:
            EndOfInput: no newline within 64 KiB.
            NotBase64
        """
        parts: list[bytes] = []
        got = 0
        while got <= _MAX_LINE:
            if self._at >= len(self._block):
                self._next_block()
            end = self._block.find(b"\n", self._at)
            part = self._block[self._at : end if end >= 0 else len(self._block)]
            parts.append(part)
            got += len(part)
            self._at += len(part) + (end >= 0)
            if end >= 0:
                return b"".join(parts)
        raise EndOfInput

    def _skip(self, size: int) -> None:
        position = max(self._index, 0) * _BLOCK + self._at + size
        index, at = divmod(position, _BLOCK)
        if index > self._index:
            if index * _BLOCK_TEXT >= len(self._text):
                self._text, self._block, self._at = "", b"", 0
                return
            self._index = index - 1
            self._next_block()
        self._at = min(at, len(self._block))

    def _next_block(self) -> None:
        index = self._index + 1
        text = self._text[index * _BLOCK_TEXT : (index + 1) * _BLOCK_TEXT]
        text = text[: len(text) // 4 * 4]
        if not text:
            raise EndOfInput
        try:
            block = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotBase64 from error
        self._index, self._block, self._at = index, block, 0
        if not block:
            raise EndOfInput
