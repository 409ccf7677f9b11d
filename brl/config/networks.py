"""Settings that only one network has."""

from brl.config.section import Count, Section


class NoSettings(Section):
    """The settings of a network that has none of its own."""


class DGSTGCNSettings(Section):
    """Settings of `dgstgcn`; graphs: learned graphs of each block (published: 8)."""

    graphs: Count = 8


# The networks' own settings, each with its published value where it is left out.
NETWORK_SETTINGS: dict[str, type[Section]] = {"dgstgcn": DGSTGCNSettings}
