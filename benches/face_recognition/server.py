"""The `face_recognition` package behind HTTP, as its README uses it: nearest of a gallery of strangers.

Answers `POST /recognize` with a JPEG as body. $GALLERY: how many people (10000).
"""

import io
import os

import face_recognition
import numpy as np
from fastapi import FastAPI, Request

GALLERY = np.random.default_rng(1).standard_normal((int(os.environ.get("GALLERY", 10_000)), 128))
TOLERANCE = 0.6
app = FastAPI()


@app.post("/recognize")
async def recognize(request: Request) -> dict:
    image = face_recognition.load_image_file(io.BytesIO(await request.body()))
    faces = face_recognition.face_encodings(image, face_recognition.face_locations(image))
    if not faces:
        return {"outcome": "no_face"}
    distances = face_recognition.face_distance(GALLERY, faces[0])
    nearest = int(distances.argmin())
    matches = bool(distances[nearest] <= TOLERANCE)
    return {"outcome": "match" if matches else "unknown", "distance": float(distances[nearest])}
