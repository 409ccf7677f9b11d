"""Stage `pictures`: writes the store of pictures, an empty one if `params.yaml` names no input."""

from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.films import films_of
from brl.pictures.prepare import prepare
from brl.pictures.store import PictureStore, write_pictures
from brl.support.paths import PICTURES, RAW, STORE
from brl.support.stage import stage


def main() -> None:
    """Runs the stage."""
    params = read_params()
    if not params.pictures:
        write_pictures(PICTURES, {})
        return
    raw = RAW.absolute()  # other processes may have another working directory
    forms = {name: each.form for name, each in params.pictures.items()}
    films = {name: films_of(params.dataset.name, name).of(raw, name) for name in forms}
    prepare(PICTURES, ClipStore.open(STORE), forms, films)
    for name, pictures in PictureStore.open(PICTURES).inputs.items():
        print(f"{name}: {pictures.shape[0]} pictures of {pictures.present.sum()} clips")


if __name__ == "__main__":
    with stage():
        main()
