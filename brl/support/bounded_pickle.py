"""Loads pickles of unknown origin: no code of theirs runs, and memory and time are bounded.

A pickle is a program. Of a few bytes it can demand all memory, for its table of objects or for what
it repeats, or keep a processor busy for ever, with keys that are hashed or compared.
"""

import pickle
import sys
from collections.abc import Callable, Iterable
from typing import IO, Any

import numpy as np

SPARE = 2**30  # bytes that a pickle may take beside `LARGER` times its own size
LARGER = 4
STEP = 128  # bytes that one instruction may take: a small object, and its place in the table
ITEM = 512  # bytes that one item of what was loaded may take of its reader
DEEPEST = 100  # lists in lists
LONGEST = 4096  # bits of an integer


class Refused(pickle.UnpicklingError):
    """The pickle asks for more than plain data; the message, not yet escaped, says for what."""


class Admitted:
    """A function that a pickle may call but not change, as the BUILD instruction would.

    keys: what the function hashes of its arguments.
    """

    __slots__ = ("_function", "keys")

    def __init__(
        self, function: Callable[..., Any], keys: Callable[..., Iterable[Any]] | None = None
    ) -> None:
        self._function = function
        self.keys = keys

    def __call__(self, *arguments: Any) -> Any:
        """Calls the function."""
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Refused("it changes the functions that read it")


SET = Admitted(set, lambda items=(): items)
# An ordered dictionary could be given attributes that hide its methods.
DICT = Admitted(dict, lambda pairs=(): [key for key, _ in pairs])


class BoundedUnpickler(pickle._Unpickler):  # the one in Python, whose steps can be watched
    """Loads one pickle; it takes at most 1 GB, and four times its own size, of memory.

    file: binary, at the start of the pickle. size: all bytes of the file.
    admitted: what the names (module, name) in the pickle stand for.

    `load` raises Refused for other names, for more memory or depth, and for keys other than text
    and numbers. A damaged pickle may raise nearly any exception.
    """

    # Python's own stubs leave this table of the class out.
    dispatch: Any = pickle._Unpickler.dispatch.copy()  # type: ignore[misc]
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: IO[bytes], size: int, admitted: dict[tuple[str, str], Any]) -> None:
        super().__init__(file)
        self._file, self._size, self._admitted = file, size, admitted
        self._left = self._allowance = SPARE + LARGER * size
        self._file_read, self._file_readline = self._read, self._line
        self.dispatch = _Watched(self)

    def load(self) -> Any:
        """What the pickle holds: a tree, of which no part is repeated without end."""
        content = super().load()
        self._check_tree(content)
        return content

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for."""
        if (module, name) not in self._admitted:
            raise Refused(f"it asks for {module}.{name}")
        return self._admitted[module, name]

    def spend(self, amount: int) -> None:
        """Takes bytes from what the pickle may still use."""
        self._left -= amount
        if self._left < 0:
            raise Refused("it takes far more memory than its size")

    def _read(self, count: int) -> bytes:
        if count > self._size - self._file.tell():
            raise EOFError("cut off")
        return self._file.read(count)

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("cut off")
        return line

    def _check_tree(self, content: Any) -> None:
        """What reads the content visits each part as often as it occurs, and calls itself."""
        self._left = self._allowance
        level = [content]
        for _ in range(DEEPEST):
            inner: list[Any] = []
            for each in level:
                if isinstance(each, dict | list | tuple | set | frozenset):
                    self.spend(ITEM * len(each))
                    inner += each.values() if isinstance(each, dict) else each
                elif isinstance(each, int):
                    self._check_number(each)
            if not inner:
                return
            level = inner
        raise Refused(f"its lists are nested more than {DEEPEST} deep")

    def _check_keys(self, keys: Iterable[Any], held: int) -> None:
        """Allows keys beside `held` others: text, whose hashes are random, and some numbers.

        All numbers may have one hash: each is then compared with all before it.
        """
        for count, key in enumerate(keys):
            if isinstance(key, str | bytes):
                continue
            if not (key is None or isinstance(key, int | float | np.number | np.bool_)):
                raise Refused(f"a key in it is a {type(key).__name__}")
            if isinstance(key, int):
                self._check_number(key)
            self.spend(held + count)

    def _check_number(self, number: int) -> None:
        if number.bit_length() > LONGEST:  # longer ones cannot even be shown
            raise Refused(f"it holds an integer of {number.bit_length()} bits")

    def _call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        if isinstance(function, Admitted) and function.keys:
            self._check_keys(function.keys(*arguments), 0)
        made = function(*arguments)
        self.spend(_size_of(made))
        return made

    # Instructions. The stack holds objects and, in `pop_mark`, those behind the last mark.

    def _instantiate(self, klass: Any, arguments: tuple[Any, ...]) -> None:
        self.append(self._call(klass, arguments))

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    def _build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, dict):
            return  # attributes of a dictionary, such as those of PyTorch's state dicts
        set_state = getattr(type(made), "__setstate__", None)
        if set_state is None:
            raise Refused(f"it sets attributes of a {type(made).__name__}")
        set_state(made, state)
        self.spend(_size_of(made))

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _set_many(self) -> None:
        self._set_items(self.pop_mark())

    def _set_items(self, items: list[Any]) -> None:
        target = _a(dict, self.stack[-1])
        self._check_keys(items[::2], len(target))
        target.update(zip(items[::2], items[1::2], strict=True))

    def _append(self) -> None:
        value = self.stack.pop()
        _a(list, self.stack[-1]).append(value)

    def _append_many(self) -> None:
        items = self.pop_mark()
        _a(list, self.stack[-1]).extend(items)

    def _add_many(self) -> None:
        items, target = self.pop_mark(), _a(set, self.stack[-1])
        self._check_keys(items, len(target))
        target.update(items)

    def _frozenset(self) -> None:
        items = self.pop_mark()
        self._check_keys(items, 0)
        self.append(frozenset(items))

    def _bytearray(self) -> None:
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))

    for _code, _step in {
        pickle.REDUCE: _reduce,
        pickle.BUILD: _build,
        pickle.DICT: _dict,
        pickle.SETITEM: _set_item,
        pickle.SETITEMS: _set_many,
        pickle.APPEND: _append,
        pickle.APPENDS: _append_many,
        pickle.ADDITEMS: _add_many,
        pickle.FROZENSET: _frozenset,
        pickle.BYTEARRAY8: _bytearray,
    }.items():
        dispatch[_code[0]] = _step
    del _code, _step


class _Watched(dict[int, Callable[[BoundedUnpickler], None]]):
    """The instructions of an unpickler, each of which takes from its memory."""

    def __init__(self, unpickler: BoundedUnpickler) -> None:
        super().__init__(type(unpickler).dispatch)
        self._spend = unpickler.spend

    def __getitem__(self, code: int) -> Callable[[BoundedUnpickler], None]:
        self._spend(STEP)
        return super().__getitem__(code)


def _a(kind: type, target: Any) -> Any:
    if not isinstance(target, kind):
        raise Refused(f"it fills a {type(target).__name__} like a {kind.__name__}")
    return target


def _size_of(made: Any) -> int:
    """Bytes of an object; those of an array count again where arrays share them."""
    return made.nbytes if isinstance(made, np.ndarray) else sys.getsizeof(made)
