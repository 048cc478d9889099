"""What several frames of a passage buy, by how they are joined (docs/TUNING.md, "Several frames").

    limen evaluate identification --images ../shared/data/lfw-dev/images --cache CACHE
    python benches/frames.py ../shared/data/lfw-dev/images CACHE

Photos stand for frames. Half of the people who have four or more are strangers; everybody else is enrolled with a photo,
and the others of a person are searched for, so many at once. Needs numpy.
"""

import base64
import hashlib
import json
import pathlib
import sys

import numpy as np

DEALS, PHOTOS_MAX, MARGIN, EACH_FMR, FPIR = 20, 12, 0.1, 0.01, 0.01


def encodings(images, cache):
    by_hash = {}
    for file in pathlib.Path(cache).glob("templates-*.jsonl"):
        for line in filter(str.strip, file.open()):
            entry = json.loads(line)
            if "Ok" in entry["sample"]:
                values = base64.b64decode(entry["sample"]["Ok"]["values"] + "==")
                by_hash[entry["photo"]] = np.frombuffer(values, "<f4").astype("f8")
    people = {}
    for photo in sorted(pathlib.Path(images).glob("*/*.jpg")):
        digest = hashlib.sha256(photo.read_bytes()).hexdigest()
        if digest in by_hash:
            people.setdefault(photo.parent.name, []).append(by_hash[digest])
    return {person: np.stack(photos) for person, photos in people.items()}


def distance(frames, gallery, rule, each):
    """How near the frames of a search are to each person, squared; infinite where the rule says to nobody."""
    apart = 2 - 2 * frames @ gallery.T
    if rule == "worst":
        return apart.max(0)
    if rule == "fused":
        mean = frames.sum(0)
        return 2 - 2 * gallery @ (mean / np.linalg.norm(mean))
    mean = apart.mean(0)
    if len(frames) == 1:
        return mean
    nearest = np.unique(apart.argmin(1))
    person = nearest[0]
    second = np.partition(apart, 1, axis=1)[:, 1].mean()
    agree = len(nearest) == 1 and apart[:, person].max() < each and second - mean[person] >= MARGIN
    return np.where(agree & (np.arange(len(mean)) == person), mean, np.inf)


def main(images, cache):
    people = encodings(images, cache)
    rows = np.concatenate(list(people.values()))
    who = np.repeat(np.arange(len(people)), [len(photos) for photos in people.values()])
    chosen = np.random.default_rng(0).choice(len(rows), min(len(rows), 2000), replace=False)
    strangers = (2 - 2 * rows[chosen] @ rows[chosen].T)[who[chosen][:, None] != who[chosen][None]]
    each = np.quantile(strangers, EACH_FMR)
    found = {}
    for deal in range(DEALS):
        random = np.random.default_rng(deal)
        several = sorted(person for person, photos in people.items() if len(photos) >= 4)
        random.shuffle(several)
        unknown = set(several[: len(several) // 2])
        photos = {person: random.permutation(all_of)[:PHOTOS_MAX] for person, all_of in people.items()}
        names = sorted(person for person in people if person not in unknown)
        gallery, place = np.stack([photos[name][0] for name in names]), {n: i for i, n in enumerate(names)}
        for count in (1, 2, 3):
            for rule in ("mean", "worst", "fused") if count > 1 else ("mean",):
                mated, non_mated = found.setdefault((count, rule), ([], []))
                for person in several:
                    probes = photos[person][1:]
                    for at in range(0, len(probes) - count + 1, count):
                        near = distance(probes[at : at + count], gallery, rule, each)
                        if person in unknown:
                            non_mated.append(near.min())
                        else:
                            right = place[person]
                            mated.append(near[right] if near.argmin() == right else np.inf)
    tau = np.quantile(found[1, "mean"][1], FPIR)
    for (count, rule), (mated, non_mated) in found.items():
        fnir, fpir = np.mean(np.array(mated) >= tau), np.mean(np.array(non_mated) < tau)
        print(f"{count} of a search, {rule}: FNIR {fnir:.2%}, FPIR {fpir:.2%} at {tau:.3f} ({len(mated)}, {len(non_mated)} searches)")


main(*sys.argv[1:])
