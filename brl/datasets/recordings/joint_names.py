"""Joints that a file knows by name."""

from collections.abc import Sequence

from brl.clips.layout import Layout
from brl.clips.layouts import LAYOUTS
from brl.datasets.pickles import shown
from brl.support.errors import UserError


def names_of(layout: Layout) -> tuple[str, ...]:
    """The names of a layout's joints; none if they have none.

    A known layout has its names also where it comes from a file, which does not hold them.
    """
    return layout.names or (LAYOUTS[layout.name].names if layout.name in LAYOUTS else ())


def places_of_joints(names: Sequence[str], layout: Layout, where: str) -> list[int]:
    """The place of each joint of a layout among the names in a file, (V,).

    Names in a file may begin with that of the actor, as in `Anna:LHip`; the layout's need not.
    where: the place named in error messages. Raises UserError where the layout's joints have no
    names, or where one is not in the file, or more than once.
    """
    in_file = shown(", ".join(names))
    wanted = names_of(layout)
    if not wanted:
        raise UserError(
            f"{where}: the joints of the layout {layout.name} have no names; `joints` in "
            f"dataset.yaml must name them as the file does: {in_file}"
        )
    without_actor = [name.rpartition(":")[2] for name in names]
    places = []
    for joint in wanted:
        among = list(names) if joint in names else without_actor
        if among.count(joint) != 1:
            found = "more than one" if joint in among else "no"
            raise UserError(f"{where}: {found} joint {joint!r}; the file has {in_file}")
        places.append(among.index(joint))
    return places
