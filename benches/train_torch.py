"""A training step in PyTorch as people write it, beside ours, for `./dev bench train`: the same network, loss and
optimizer, all cores, in turns. The first argument and those behind it: the command of ours.
"""

import json
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

PEOPLE, PHOTOS, STEPS, ROUNDS = 16, 4, 4, 3
STAGES = [(64, 128, 128, 5), (128, 256, 256, 7), (128, 512, 256, 3)]


def conv(inputs, outputs, kernel, stride=1, padding=None, groups=1, slope=True):
    padding = kernel // 2 if padding is None else padding
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return layers + [nn.PReLU(outputs)] if slope else layers


class Bottleneck(nn.Module):
    def __init__(self, inputs, expansion, outputs, stride):
        super().__init__()
        self.branch = nn.Sequential(
            *conv(inputs, expansion, 1),
            *conv(expansion, expansion, 3, stride, groups=expansion),
            *conv(expansion, outputs, 1, slope=False),
        )
        self.residual = stride == 1

    def forward(self, xs):
        return xs + self.branch(xs) if self.residual else self.branch(xs)


def network():
    layers, inputs = conv(3, 64, 3, 2) + conv(64, 64, 3, groups=64), 64
    for outputs, first, others, blocks in STAGES:
        layers.append(Bottleneck(inputs, first, outputs, 2))
        layers += [Bottleneck(outputs, others, outputs, 1) for _ in range(blocks - 1)]
        inputs = outputs
    layers += conv(inputs, 512, 1) + conv(512, 512, 7, padding=0, groups=512, slope=False)
    layers += conv(512, 512, 1, slope=False) + [nn.Flatten()]
    return nn.Sequential(*layers)


def semi_hard(encodings, margin=0.2):
    """Every positive pair with the nearest stranger who is farther, else the farthest."""
    person = torch.arange(PEOPLE, device=encodings.device).repeat_interleave(PHOTOS)
    far = (2 - 2 * encodings @ encodings.t()).clamp(min=0)
    same = person[:, None] == person[None]
    anchors, positives = torch.nonzero(same & ~torch.eye(len(person), dtype=bool, device=same.device), as_tuple=True)
    with torch.no_grad():
        strangers = ~same[anchors]
        beyond = strangers & (far[anchors] > far[anchors, positives][:, None])
        nearest = far[anchors].masked_fill(~beyond, torch.inf).argmin(1)
        farthest = far[anchors].masked_fill(~strangers, -torch.inf).argmax(1)
        negatives = torch.where(beyond.any(1), nearest, farthest)
    return (far[anchors, positives] - far[anchors, negatives] + margin).relu().mean()


def faces_per_second(device, mixed, channels_last):
    torch.manual_seed(1)
    form = torch.channels_last if channels_last else torch.contiguous_format
    net, projection = network().to(device, memory_format=form), nn.Linear(512, 128, bias=False).to(device)
    optimizer = torch.optim.AdamW([*net.parameters(), *projection.parameters()], 1e-3, weight_decay=5e-4)
    faces = torch.randint(0, 256, (PEOPLE * PHOTOS, 3, 112, 112), dtype=torch.uint8, device=device)
    times = []
    for _ in range(STEPS + 1):
        begun = time.perf_counter()
        xs = ((faces.float() - 127) / 128).contiguous(memory_format=form)
        with torch.autocast(device, torch.bfloat16, enabled=mixed):
            said = net(xs)
        loss = semi_hard(F.normalize(projection(F.normalize(said.float()))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        next(net.parameters()).sum().item()
        times.append(time.perf_counter() - begun)
    return PEOPLE * PHOTOS / statistics.median(times[1:])


def main():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours, torchs = {"f32": [], "mixed": []}, {}
    for _ in range(ROUNDS):
        said = json.loads(subprocess.run(sys.argv[1:], check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        for precision, rates in ours.items():
            rates.append(said[precision])
        for precision in ours:
            for channels_last in (False, True):
                rate = faces_per_second(device, precision == "mixed", channels_last)
                torchs.setdefault((precision, channels_last), []).append(rate)
    print(f"faces a second in training, {said['device']}, median of {ROUNDS} rounds (PyTorch {torch.__version__})")
    for precision, rates in ours.items():
        limen = statistics.median(rates)
        print(f"{precision:>6}  Limen {limen:8.1f}")
        for channels_last, name in ((False, "PyTorch"), (True, "PyTorch, channels last")):
            peer = statistics.median(torchs[precision, channels_last])
            print(f"        {name} {peer:.1f}, Limen {limen / peer:.2f} times as many")


main()
