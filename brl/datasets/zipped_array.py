"""Reads an array in an `.npz` row by row: compressed, it cannot be mapped, nor fit the memory."""

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from brl.datasets.archives import UNREADABLE
from brl.datasets.pickles import shown
from brl.support.errors import UserError

LARGEST_ROW = 2**28  # bytes; a minute of two bodies takes 1 MB, but zeros are packed a thousandfold


class ZippedArray:
    """An array of numbers in a zip, of which one row at a time is in memory.

    Rows are read in their order; an earlier one than the last starts again from the first. At the
    end, the zip's checksum is compared.

    shape  all axes; the first counts the rows
    where  file and array, for error messages

    Raises UserError where the zip or the array is damaged, missing, or holds no numbers, and where
    a row would take more than 256 MB: a small file could ask for all memory.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.where = f"{path.name}: {name}"
        self._path, self._member = path, f"{name}.npy"
        self._open()

    def _open(self) -> None:
        try:
            archive = zipfile.ZipFile(self._path)
            info = archive.getinfo(self._member)
            self._stream: IO[bytes] = archive.open(info)
            np.lib.format.read_magic(self._stream)
            header = np.lib.format.read_array_header_1_0(self._stream)
        except KeyError as error:
            held = shown(", ".join(archive.namelist()))
            raise UserError(f"{self.where}: missing; the file holds {held}") from error
        except Exception as error:  # a damaged header may raise nearly any exception
            raise self._damaged(error) from error
        self.shape, by_columns, self._dtype = header
        if by_columns or self._dtype.kind not in "fiu" or not self.shape:
            raise UserError(
                f"{self.where}: an array of {self._dtype}, {self.shape}; must be numbers in rows"
            )
        self._row_size = self._dtype.itemsize * math.prod(self.shape[1:])
        promised, given = self.shape[0] * self._row_size, info.file_size - self._stream.tell()
        if promised != given:
            raise UserError(
                f"{self.where}: not a whole array: its shape {self.shape} takes {promised} bytes, "
                f"but {given} are there; must be written by numpy.savez"
            )
        if self._row_size > LARGEST_ROW:
            raise UserError(
                f"{self.where}: rows of {self._row_size} bytes; must be {LARGEST_ROW} or fewer"
            )
        self._next = 0

    def __getitem__(self, number: int) -> np.ndarray:
        """A row, of shape `shape[1:]`. Raises UserError where the zip is damaged."""
        if number < self._next:
            self._open()
        try:
            while self._next <= number:
                content = self._stream.read(self._row_size)
                self._next += 1
            return np.frombuffer(content, self._dtype).reshape(self.shape[1:])
        except (*UNREADABLE, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> UserError:
        return UserError(
            f"{self.where}: not a whole array ({type(error).__name__}: {shown(str(error))}); must "
            "be written by numpy.savez"
        )
