"""dvc.lock as `brl` has DVC write it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

import pytest
from dvc.utils.serialize import _common, _yaml, modify_yaml
from hypothesis import given
from hypothesis import strategies as st

from brl.commands.dvc import mend_lock_file
from brl.support.errors import NotWritten
from tests.faults import FailingDisk, failing

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
FLOATS = st.floats(1e-4, 1e9)  # of others with an exponent, DVC changes the last digit
VALUES = st.none() | st.booleans() | st.integers() | FLOATS | WORDS
PARAMS = st.dictionaries(WORDS, VALUES | st.lists(VALUES) | st.dictionaries(WORDS, VALUES))


@contextmanager
def mended() -> Iterator[None]:
    """DVC as `brl` runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (_common, _yaml):
            patch.setattr(module, "_dump_data", module._dump_data)
        patch.setattr(_yaml, "parse_yaml_for_update", _yaml.parse_yaml_for_update)
        mend_lock_file()
        yield


def test_dvc_parses_yaml_with_the_fast_parser():
    from ruamel.yaml import YAML
    from ruamel.yaml.cyaml import CParser

    assert YAML(typ="safe").Parser is CParser


@given(PARAMS, PARAMS)
def test_its_bytes_are_those_of_dvc(tmp_path_factory, first, second):
    """Plain `dvc repro` and `brl repro` can take turns without a difference for git."""
    files = [tmp_path_factory.mktemp("lock") / "dvc.lock" for _ in range(2)]
    for file in files:
        with modify_yaml(str(file)) as content:
            content["stages"] = {"train@joint": {"params": first}}
    with modify_yaml(str(files[0])) as content:
        content["stages"]["evaluate"] = {"params": second}
    with mended(), modify_yaml(str(files[1])) as content:
        content["stages"]["evaluate"] = {"params": second}
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_full_disk_does_not_cost_it(tmp_path):
    file = tmp_path / "dvc.lock"
    with mended():
        with modify_yaml(str(file)) as content:
            content["stages"] = "all"
        before = file.read_bytes()
        for number in count(1):
            disk = FailingDisk(tmp_path, number, errno.ENOSPC)
            with suppress(NotWritten), failing(disk), modify_yaml(str(file)) as content:
                content["stages"] = "others"
            if disk.failed is None:
                break
            assert file.read_bytes() in (before, b"stages: others\n")
            file.write_bytes(before)
    assert number > 4 and file.read_bytes() == b"stages: others\n"
