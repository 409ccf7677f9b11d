"""Settings that only one network has."""

from brl.config.section import Count, Section


class NoSettings(Section):
    """The settings of a network that has none of its own."""


class DGSTGCNSettings(Section):
    """Settings of `dgstgcn`; graphs: learned graphs of each block (published: 8)."""

    graphs: Count = 8


class CTRGCNSettings(Section):
    """Settings of `ctrgcn`; temporal_relu: whether a ReLU follows the temporal part of a block.

    In PYSKL it does; in the code of CTR-GCN's authors the residual follows at once.
    """

    temporal_relu: bool = True


class Deformable3DSettings(Section):
    """Settings of `deformable3d`, all of them our reading.

    heads          of each attention
    search_stride  of the grid from which tokens are searched, on each axis
    joint_stride   every which joint of a frame sees the others
    time_stride    every which frame sees the others
    patch          side of a patch of pixels, where there are pictures
    """

    heads: Count = 8
    search_stride: Count = 2
    joint_stride: Count = 2
    time_stride: Count = 2
    patch: Count = 16


# The networks' own settings, each with its published value where it is left out.
NETWORK_SETTINGS: dict[str, type[Section]] = {
    "dgstgcn": DGSTGCNSettings,
    "ctrgcn": CTRGCNSettings,
    "deformable3d": Deformable3DSettings,
}

# What a network sees, where it is not joints alone.
SEES: dict[str, tuple[str, ...]] = {
    "deformable3d": ("joints", "pictures"),
    "resnet18": ("pictures",),
    "r2plus1d18": ("pictures",),
}

# The least width C0 of a network, where there is one.
LEAST_WIDTHS = {"resnet18": 8, "r2plus1d18": 8}


# The least side of the pictures that a network sees. In bfloat16, oneDNN leaves parts of the
# gradient of a stride over a single pixel unwritten.
LEAST_SIDES = {"resnet18": 16, "r2plus1d18": 16}


def sees(name: str) -> tuple[str, ...]:
    """What a network sees: `joints`, `pictures`, or both."""
    return SEES.get(name, ("joints",))
