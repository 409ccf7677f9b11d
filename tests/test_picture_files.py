"""Videos and folders of images are read frame by frame; every bad one ends in one line."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from brl.pictures import images, limits
from brl.pictures.files import PictureFile, is_pictures
from brl.support.errors import UserError
from tests.films import numbered, write_images, write_video

FRAMES = numbered(20)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mkv", "ffv1", "bgr0"),
        ("a.avi", "ffv1", "bgr0"),
        ("a.mp4", "libx264", "yuv444p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
    ],
)
def test_frames_of_a_video_are_picked_by_their_numbers(tmp_path, name, codec, pixels):
    write_video(tmp_path / name, FRAMES, codec, pixels)
    file = PictureFile(tmp_path / name)
    assert file.count == 20 and file.size == (64, 48)
    numbers = [0, 3, 3, 11, 19]
    picked = np.stack(list(file.pictures(numbers)))
    assert picked.shape == (5, 48, 64, 3) and picked.dtype == np.uint8
    assert np.rint(picked[..., 0].mean((1, 2)) / 10).astype(int).tolist() == numbers
    if codec == "ffv1":
        assert np.array_equal(picked, FRAMES[numbers])


def test_a_video_of_16_bits_keeps_them(tmp_path):
    deep = np.arange(3 * 48 * 64, dtype=np.uint16).reshape(3, 48, 64) * 7
    write_video(tmp_path / "d.mkv", deep, pixels="gray16le")
    (last,) = PictureFile(tmp_path / "d.mkv").pictures([2])
    assert last.dtype == np.uint16 and np.array_equal(last[..., 0], deep[2])


def test_a_video_that_was_filmed_upright_is_turned_as_opencv_turns_it(tmp_path):
    """Joints that `brl data from-video` estimates are in the frames that OpenCV gives."""
    path = tmp_path / "t.mp4"
    write_video(path, FRAMES, "libx264", "yuv444p")
    content = path.read_bytes()
    one, turn = 1 << 16, 1 << 30
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, turn)
    turned = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, turn)
    place = content.index(upright, content.index(b"tkhd"))
    path.write_bytes(content[:place] + turned + content[place + len(upright) :])
    (frame,) = PictureFile(path).pictures([4])
    capture = cv2.VideoCapture(str(path))
    for _ in range(5):
        _, expected = capture.read()
    assert frame.shape == expected.shape == (64, 48, 3)
    assert np.abs(frame.astype(int) - expected[..., ::-1]).max() <= 8


def test_images_are_in_the_order_in_which_people_count(tmp_path):
    write_images(tmp_path / "f", FRAMES[:12])
    (tmp_path / "f/notes.txt").write_text("x")
    (tmp_path / "f/._3.png").write_text("x")
    file = PictureFile(tmp_path / "f")
    assert file.count == 12
    assert np.array_equal(np.stack(list(file.pictures(range(12)))), FRAMES[:12])


def test_images_of_16_bits_keep_them(tmp_path):
    deep = np.arange(2 * 48 * 64, dtype=np.uint16).reshape(2, 48, 64) * 9
    write_images(tmp_path / "f", deep)
    assert np.array_equal(
        np.stack(list(PictureFile(tmp_path / "f").pictures([0, 1])))[..., 0], deep
    )


def test_what_looks_like_pictures(tmp_path):
    write_images(tmp_path / "f", FRAMES[:1])
    write_video(tmp_path / "A.AVI", FRAMES)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.npy").write_text("x")
    seen = {path.name: is_pictures(path) for path in tmp_path.iterdir()}
    assert seen == {"f": True, "A.AVI": True, "empty": False, "a.npy": False}
    assert not is_pictures(tmp_path / "none.mp4")


def refused(path, numbers=range(20)) -> str:
    with pytest.raises(UserError) as caught:
        file = PictureFile(path)
        assert file.count
        list(file.pictures(numbers))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_such_file(tmp_path):
    assert refused(tmp_path / "a.mp4") == f"{tmp_path}/a.mp4: no such file or folder"


@pytest.mark.parametrize("content", [b"", b"no video", bytes(5000)])
def test_a_file_that_is_no_video(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    assert refused(tmp_path / "a.mp4").startswith(f"{tmp_path}/a.mp4: not a video, or damaged")


def test_a_playlist_is_no_video(tmp_path):
    """It would have FFmpeg open other files, and addresses."""
    write_video(tmp_path / "b.ts", FRAMES, "mpeg2video", "yuv420p")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nb.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.m3u8").write_text(playlist)
    assert "a.m3u8: not a video" in refused(tmp_path / "a.m3u8")


def test_a_video_that_ends_early(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(
        path,
        np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), np.uint8),
        "mjpeg",
        "yuvj420p",
    )
    content = path.read_bytes()
    start, end = content.index(b"mdat"), content.index(b"moov")
    middle = (start + end) // 2
    path.write_bytes(content[:middle] + bytes(end - middle) + content[end:])
    assert f"{path}: " in (message := refused(path)) and "damaged" in message
    write_video(path := tmp_path / "b.mkv", FRAMES)
    with pytest.raises(UserError, match=r"b\.mkv: ends early: 20 frames .* frame 25 is needed"):
        list(PictureFile(path).pictures([3, 25]))


def test_a_video_whose_header_says_more_frames(tmp_path):
    path = tmp_path / "a.avi"
    write_video(path, FRAMES, "mjpeg", "yuvj420p")
    content = bytearray(path.read_bytes())
    place = content.index(b"strh") + 8 + 32  # dwLength of the stream
    assert struct.unpack_from("<I", content, place) == (20,)
    struct.pack_into("<I", content, place, 90)
    path.write_bytes(content)
    assert refused(path) == f"{path}: ends early: 20 of 90 frames can be read; get it again"


def test_a_video_with_an_unknown_codec(tmp_path):
    path = tmp_path / "a.avi"
    write_video(path, FRAMES, "mjpeg", "yuvj420p")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"QQQQ"))
    assert "a.avi: its codec is not one that FFmpeg knows here; convert it" in refused(path)


def test_a_sound_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    assert refused(tmp_path / "a.mkv") == f"{tmp_path}/a.mkv: holds no video"


def test_pictures_that_are_too_large(tmp_path, monkeypatch):
    write_video(tmp_path / "a.mkv", FRAMES)
    write_images(tmp_path / "f", FRAMES[:2])
    for module in (limits, images):
        monkeypatch.setattr(module, "MOST_PIXELS", 1000)
    says = "pictures of 64 x 48 pixels; must be 1,000 pixels at most"
    assert says in refused(tmp_path / "a.mkv") and says in refused(tmp_path / "f", [0])


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be so large, and holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = b"IDAT" + zlib.compress(bytes(10))
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, content, b"IEND")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("side", [9000, 12000, 60000])
def test_a_bomb(tmp_path, side, recwarn):
    """Pillow is silent about the first, warns of the second and refuses the third."""
    (tmp_path / "f").mkdir()
    (tmp_path / "f/0.png").write_bytes(png_header(side, side))
    assert "0.png: " in (message := refused(tmp_path / "f", [0])) and "33,554,432" in message
    assert not recwarn.list


def test_a_damaged_image_and_one_of_another_size(tmp_path):
    write_images(tmp_path / "f", FRAMES[:3])
    content = (tmp_path / "f/1.png").read_bytes()
    (tmp_path / "f/1.png").write_bytes(content[: len(content) // 2])
    assert refused(tmp_path / "f", [0, 1]).endswith(
        "f/1.png: not an image that can be read, or damaged"
    )
    Image.fromarray(FRAMES[0, :20]).save(tmp_path / "f/1.png")
    assert "f/1.png: 64 x 20 pixels of 3 x 8 bits, but 64 x 48" in refused(tmp_path / "f", [0, 1])
    assert "f: 3 images, and image 5 is needed" in refused(tmp_path / "f", [0, 5])


def test_a_folder_without_images_and_images_of_floats(tmp_path):
    (tmp_path / "f").mkdir()
    assert "f: holds no image (.png, " in refused(tmp_path / "f")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "f/0.tiff")
    assert "values with a point" in refused(tmp_path / "f", [0])
