"""The small picture in the worklist."""

import io

import numpy as np
from PIL import Image

from backend.domain.geometry import Geometry
from backend.domain.volume import Quantity, Volume, Window
from backend.imaging.thumbnail import thumbnail


def pixels(volume: Volume) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.asarray(Image.open(io.BytesIO(thumbnail(volume))))


def test_it_is_shown_as_radiologists_see_it() -> None:
    """Stored head to feet, posterior first and left first; shown with the patient's right on the left, anterior up."""
    affine = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [-2.0, 0, 0, 0], [0, 0, 0, 1]])
    array = np.zeros((9, 48, 48), np.int16)
    array[4, 40:, 40:] = 100  # last row and column: anterior, right
    shown = pixels(Volume(array, Geometry.of(array.shape, affine), windows=(Window(50, 100),)))
    assert shown.shape == (96, 96)
    assert shown[:10, :10].min() > 200
    assert shown[20:, 20:].max() < 50


def test_it_keeps_the_shape_of_the_patient_and_not_of_the_array() -> None:
    affine = np.array([[0, 0, 1.0, 0], [0, 3.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])
    array = np.zeros((5, 20, 30), np.int16)
    assert pixels(Volume(array, Geometry.of(array.shape, affine), Quantity.HU)).shape == (96, 48)


def test_inverted_and_colour() -> None:
    geometry = Geometry.of((1, 8, 8), np.eye(4)[:, [2, 1, 0, 3]])
    white = pixels(Volume(np.zeros((1, 8, 8), np.uint8), geometry, windows=(Window(100, 100),), inverted=True))
    assert white.min() > 250
    assert pixels(Volume(np.zeros((1, 8, 8, 3), np.uint8), geometry, Quantity.COLOUR)).shape == (96, 96, 3)
