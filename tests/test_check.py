"""Streams and mixing that do not fit the layout are refused before any training."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from brl.clips.layouts import COCO17, NTU25
from brl.config.check import check, check_streams
from brl.config.params import Params, read_params
from brl.config.pretrain import MaskedParams
from brl.config.streams import CheckpointParams, StreamParams
from brl.support.errors import UserError
from tests.own_data import STICK, write_description, write_stick_figures

PARAMS = read_params(Path("params.yaml"))


def mixing(mix: str, **stream: object) -> Params:
    """Parameters of one stream."""
    joint = StreamParams.model_validate({"inputs": "joint", **stream})
    method = PARAMS.method.model_copy(update={"mix": mix})
    return PARAMS.model_copy(update={"method": method, "streams": {"joint": joint}})


@pytest.mark.parametrize("mix", ["partial", "partial_published"])
def test_partial_mixing_needs_both_halves_of_what_a_stream_sees(mix):
    check_streams(mixing(mix), COCO17)
    check_streams(mixing(mix, part="leg"), COCO17)  # with the nose, its centre
    with pytest.raises(UserError, match=f"mix: {mix} .* 7 joints that streams.joint sees, 7 are"):
        check_streams(mixing(mix, part="hand"), COCO17)
    with pytest.raises(UserError, match=r"of the 9 joints that streams\.joint sees, 0 are of"):
        check_streams(mixing(mix, part="leg"), NTU25)
    check_streams(mixing("mixup", part="hand"), COCO17)
    with pytest.raises(UserError, match=r"streams\.joint\.part: no part 'arm'"):
        check_streams(mixing("mixup", part="arm"), COCO17)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [({}, "no part 'hand'; known: body"), ({"hand": (5, 6)}, "no part 'leg'; known: body, hand")],
)
def test_shap_mix_needs_arms_and_legs_of_the_layout(parts, complaint):
    check_streams(mixing("shap"), COCO17)
    needs = r"mix: shap needs the parts hand and leg of the layout \(own data: parts in .*\): "
    with pytest.raises(UserError, match=needs + complaint):
        check_streams(mixing("shap"), replace(COCO17, parts=parts))


def test_shap_mix_needs_two_limbs_or_trunk_and_a_limb():
    check_streams(mixing("shap", part="hand"), NTU25)  # with the trunk's shoulder centre
    arm = replace(NTU25, parts=NTU25.parts | {"arm": (5, 6, 7)})
    with pytest.raises(UserError, match="the stream joint sees one of them, must see two or more"):
        check_streams(mixing("shap", part="arm"), arm)


def test_fewer_parts_are_masked_than_a_stream_sees():
    def masking(parts: int, **stream: object) -> Params:
        changes = {"kind": "masked", "masked": MaskedParams(parts=parts, loss="cosine")}
        pretrain = PARAMS.pretrain.model_copy(update=changes)
        return mixing("none", **stream).model_copy(update={"pretrain": pretrain})

    check_streams(masking(5), NTU25)
    check_streams(masking(2, part="hand"), NTU25)
    with pytest.raises(
        UserError, match=r"parts: 6, but the stream joint sees 6 .*; must be 5 at m"
    ):
        check_streams(masking(6), NTU25)
    with pytest.raises(UserError, match="parts: 3, but the stream joint sees 3 body parts; must"):
        check_streams(masking(3, part="hand"), NTU25)
    one = replace(NTU25, parts={"arm": (5, 6, 7)})
    with pytest.raises(UserError, match="sees 1 body part; masking needs two or more"):
        check_streams(masking(1, part="arm"), one)


def test_a_stream_that_is_not_trained_mixes_nothing():
    ready = CheckpointParams(file="j.pth", sha256="0")
    check_streams(mixing("partial", part="hand", weights=ready), COCO17)


@pytest.mark.parametrize("upper", [STICK["joints"], None], ids=["all", "not given"])
def test_own_data_without_halves_are_refused_before_any_stage(tmp_path, monkeypatch, upper):
    write_stick_figures(tmp_path / "hands", clips=3)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    halves = {"upper_body": upper, "lower_body": None}
    hand = {key: value for key, value in (STICK | halves).items() if value is not None}
    write_description(tmp_path / "hands", hand)
    dataset = PARAMS.dataset.model_copy(
        update={"name": "custom", "mirror": "hands", "split": "default"}
    )
    with pytest.raises(UserError, match=r"of the 5 joints that streams\.joint sees, [05] are of"):
        check(mixing("partial").model_copy(update={"dataset": dataset}))
    check(mixing("remix").model_copy(update={"dataset": dataset}))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Parameters of own data beside a folder lists/, and the names of clips by part and class."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_stick_figures(tmp_path / "own", clips=12)
    (tmp_path / "lists").mkdir()
    dataset = PARAMS.dataset.model_copy(
        update={"name": "custom", "mirror": "own", "split": "default"}
    )
    clips = pd.read_csv("own/clips.csv", dtype=str)
    part_and_class = clips.groupby(["split", "label"]).name.agg(list)
    return mixing("none").model_copy(update={"dataset": dataset}), part_and_class


def listing(params: Params, *names: str, classes: list[int] | None = None) -> Params:
    Path("lists/chosen.txt").write_text("\n".join(names))
    changes = {"list_file": "chosen.txt", "classes": classes}
    return params.model_copy(update={"subsample": params.subsample.model_copy(update=changes)})


def test_a_list_of_other_clips_or_classes_is_refused_before_any_stage(own):
    params, names = own
    first, second = names["train", "wave"], names["train", "point"]
    check(listing(params, *first, *second))
    check(listing(params, *first, classes=[0]))
    refused = r"chosen.txt: {} is not a training clip of this split and these classes \({} of {} "
    count = len(first) + len(second)
    with pytest.raises(UserError, match=refused.format(second[0], len(second), count)):
        check(listing(params, *first, *second, classes=[0]))
    for wrong in (names["test", "wave"][0], "nobody"):
        with pytest.raises(UserError, match=refused.format(wrong, 1, len(first) + 1)):
            check(listing(params, *first, wrong))
    with pytest.raises(UserError, match="occurs twice"):
        check(listing(params, first[0], first[0]))
    Path("lists/chosen.txt").unlink()
    subsample = params.subsample.model_copy(update={"list_file": "chosen.txt"})
    with pytest.raises(UserError, match=r"list_file: lists/chosen\.txt: cannot be read"):
        check(params.model_copy(update={"subsample": subsample}))


def test_the_names_of_ntu_tell_their_classes(own):
    ntu = PARAMS.dataset.model_copy(update={"name": "ntu60", "split": "xsub"})
    params = own[0].model_copy(update={"dataset": ntu})
    names = "S001C001P001R001A001", "S001C001P001R001A007"
    check(listing(params, *names))
    with pytest.raises(UserError, match=f"{names[1]} is not a training clip of .*1 of 2 names"):
        check(listing(params, *names, classes=[0]))


def test_a_split_that_own_data_lack_is_refused_before_any_stage(own):
    dataset = own[0].dataset.model_copy(update={"split": "people"})
    with pytest.raises(UserError, match="custom has no split 'people'; known: default"):
        check(own[0].model_copy(update={"dataset": dataset}))
