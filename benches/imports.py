"""How long one import of many photos takes, beside single requests of two clients.

    KEY=... python3 benches/imports.py IMAGES import|singles [--url URL] [--photos N]

IMAGES is a folder with a folder for each person, of whom the first photo is taken; KEY is an API key with the scope
enroller, of a service whose database is empty.
"""

import argparse
import concurrent.futures
import io
import json
import os
import time
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from pathlib import Path


def call(url: str, data: bytes, kind: str) -> dict:
    headers = {"authorization": f"Bearer {os.environ['KEY']}", "content-type": kind, "idempotency-key": "bench"}
    request = urllib.request.Request(url, data=data, method="POST", headers=headers)
    with urllib.request.urlopen(request, timeout=3600) as answer:
        return json.load(answer)


def archive(photos: list[Path]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        rows = (f"B-{at},Somebody {at},{at}.jpg\n" for at in range(len(photos)))
        files.writestr("people.csv", "badge_id,name,photo\n" + "".join(rows))
        for at, photo in enumerate(photos):
            files.write(photo, f"{at}.jpg")
    return packed.getvalue()


def single(url: str, at: int, photo: Path) -> int:
    person = json.dumps({"name": f"Somebody {at}", "badge_id": f"B-{at}"}).encode()
    employee = call(f"{url}/v1/employees", person, "application/json")["employee_id"]
    try:
        call(f"{url}/v1/employees/{employee}/faces", photo.read_bytes(), "image/jpeg")
    except urllib.error.HTTPError as error:
        return error.code
    return 201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("way", choices=["import", "singles"])
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--photos", type=int, default=1000)
    arguments = parser.parse_args()
    people = sorted(folder for folder in arguments.images.iterdir() if folder.is_dir())[: arguments.photos]
    photos = [min(folder.glob("*.jpg")) for folder in people]
    packed = archive(photos) if arguments.way == "import" else b""
    for _ in range(2 if packed else 1):
        begun_at = time.monotonic()
        if packed:
            came_to = call(f"{arguments.url}/v1/imports?duplicates=flag", packed, "application/zip")["rows"]
        else:
            with concurrent.futures.ThreadPoolExecutor(2) as clients:
                answers = clients.map(lambda one: single(arguments.url, *one), enumerate(photos))
                came_to = dict(Counter(answers))
        print(f"{arguments.way}: {time.monotonic() - begun_at:.1f} s, {came_to}")


if __name__ == "__main__":
    main()
