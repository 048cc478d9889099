"""The order in which each ONNX graph runs its layers, under the names that `src/nets` gives them.

The exporters numbered the tensors instead of naming them, so the layers are recognised by their
place in the graph. A wrong place cannot go unnoticed: kinds are checked here, shapes by the strict
loading in Rust, values by the goldens.
"""

from collections.abc import Iterator

Layer = tuple[str, str]
"""(module path, kind); kind is `conv`, `prelu`, `linear`, `batch_norm`, or `relu` for
a PReLU whose slope is 0 in a graph that has a ReLU there."""


def yunet() -> Iterator[Layer]:
    yield "backbone.stem.conv", "conv"
    yield from _separable("backbone.stem.separable")
    for stage in range(1, 6):
        yield from _separable(f"backbone.stages.{stage - 1}.0")
        yield from _separable(f"backbone.stages.{stage - 1}.1")
    for level in (2, 1, 0):
        yield from _separable(f"neck.laterals.{level}")
    for output in ("cls", "bbox", "obj", "kps"):
        for level in range(3):
            yield from _separable(f"head.{level}.{output}")


def landmark_68() -> Iterator[Layer]:
    yield from _mobilefacenet_body((4, 5, 3), "relu")
    yield "places", "linear"
    yield "norm", "batch_norm"


def mobilefacenet() -> Iterator[Layer]:
    yield from _mobilefacenet_body((5, 7, 3))
    yield "embedding", "conv"


def minifasnet_v2_se() -> Iterator[Layer]:
    yield from _conv_prelu("stem")
    yield from _conv_prelu("stem_depthwise")
    for stage, blocks in enumerate((5, 7, 3)):
        for block in range(blocks):
            yield from _bottleneck(f"stages.{stage}.{block}")
        yield f"stages.{stage}.{blocks - 1}.squeeze_excite.reduce", "conv"
        yield f"stages.{stage}.{blocks - 1}.squeeze_excite.expand", "conv"
    yield from _conv_prelu("widen")
    yield "global_depthwise", "conv"
    yield "embedding", "linear"
    yield "norm", "batch_norm"
    yield "classifier", "linear"


def _mobilefacenet_body(blocks_per_stage: tuple[int, ...], activation: str = "prelu") -> Iterator[Layer]:
    yield from _conv_prelu("stem", activation)
    yield from _conv_prelu("stem_depthwise", activation)
    for stage, blocks in enumerate(blocks_per_stage):
        for block in range(blocks):
            yield from _bottleneck(f"stages.{stage}.{block}", activation)
    yield from _conv_prelu("widen", activation)
    yield "global_depthwise", "conv"


def _conv_prelu(name: str, activation: str = "prelu") -> Iterator[Layer]:
    yield f"{name}.conv", "conv"
    yield f"{name}.prelu", activation


def _separable(name: str) -> Iterator[Layer]:
    yield f"{name}.pointwise", "conv"
    yield f"{name}.depthwise", "conv"


def _bottleneck(name: str, activation: str = "prelu") -> Iterator[Layer]:
    yield from _conv_prelu(f"{name}.expand", activation)
    yield from _conv_prelu(f"{name}.depthwise", activation)
    yield f"{name}.project", "conv"
