"""The datasets that have pictures, by `dataset.name`.

They are no part of the table of all datasets: then an edit of one without pictures would read all
films again.
"""

from brl.datasets.own import source as own
from brl.datasets.synthetic import source as synthetic
from brl.pictures.film import Films
from brl.support.errors import UserError

FILMS: dict[str, Films] = {"custom": own.FILMS, "synthetic": synthetic.FILMS}


def films_of(name: str, picture_input: str) -> Films:
    """The films of a dataset. Raises UserError where it has no pictures for this input."""
    if name not in FILMS:
        raise UserError(
            f"params.yaml: pictures.{picture_input}: {name} has no pictures; take the block out, "
            f"or choose a dataset that has: {', '.join(FILMS)}"
        )
    return FILMS[name]
