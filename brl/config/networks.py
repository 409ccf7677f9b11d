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


# The networks' own settings, each with its published value where it is left out.
NETWORK_SETTINGS: dict[str, type[Section]] = {
    "dgstgcn": DGSTGCNSettings,
    "ctrgcn": CTRGCNSettings,
}
