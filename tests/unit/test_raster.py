"""PNG and JPEG pictures to one-slice volumes."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.domain.errors import UserError
from backend.domain.geometry import Unit
from backend.domain.volume import Quantity
from backend.imaging.raster import read_raster

RNG = np.random.default_rng(0)


def test_grey_keeps_its_bytes_and_is_uncalibrated(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "g.png")
    read = read_raster(tmp_path / "g.png")
    np.testing.assert_array_equal(read.volume.array[0], pixels)
    assert read.volume.geometry.unit is Unit.PIXEL
    assert read.volume.geometry.world((0, 2, 5)) == (5, 2, 0)
    assert (read.modality, read.body_part, read.volume.quantity) == ("OT", "", Quantity.ONE)


def test_sixteen_bits_are_exact(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)
    pixels[0, :2] = 0, 65535
    Image.fromarray(pixels).save(tmp_path / "g16.png")
    volume = read_raster(tmp_path / "g16.png").volume
    np.testing.assert_array_equal(volume.values()[0], pixels)


def test_equal_channels_become_grey_and_different_ones_stay_colour(tmp_path: Path) -> None:
    grey = np.repeat(RNG.integers(0, 256, (5, 7, 1), dtype=np.uint8), 3, axis=2)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    read = read_raster(tmp_path / "grey.png")
    assert not read.volume.is_colour
    assert read.decoded.shape == (1, 5, 7, 3)
    colour = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    read = read_raster(tmp_path / "colour.png")
    np.testing.assert_array_equal(read.volume.array[0], colour)
    assert read.volume.quantity is Quantity.COLOUR


def test_palette_and_transparency(tmp_path: Path) -> None:
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[0, 0], colour[1, 1] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(colour).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "p.png")
    read = read_raster(tmp_path / "p.png")
    np.testing.assert_array_equal(read.volume.array[0], colour)
    assert read.decoded.shape == (1, 4, 4)
    Image.fromarray(colour).convert("RGBA").save(tmp_path / "a.png")
    assert "Transparency was dropped." in read_raster(tmp_path / "a.png").volume.warnings


def test_jpeg(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), 90, np.uint8)).save(tmp_path / "j.jpg")
    assert read_raster(tmp_path / "j.jpg").volume.array.mean() == 90


def test_truncated_and_enormous_pictures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.png"
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UserError, match="damaged"):
        read_raster(path)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bomb)
    with pytest.raises(UserError):
        read_raster(path)
