#!/usr/bin/env python3
"""Puts Limen between the card reader and the door controller: docs/recipes/CONTROLLER.md.

A card that the reader's gateway publishes is shown to the controller once Limen granted its owner's face, with a
token that holds, and never otherwise.

    pip install paho-mqtt cryptography
    export GATE_ID=... KEY_ID=... SECRET=...        # as `limen gate add north --mode badge_and_face` prints them
    export PUBLIC_KEY=...                           # as `limen grant-key show grant.key` prints it
    export LIMEN=http://127.0.0.1:8080 CAMERA=http://camera.example.org/snapshot.jpg BROKER=127.0.0.1:1883
    python3 controller.py north
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timezone

import paho.mqtt.client as mqtt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

FRAME_BYTES_MAX = 10 << 20
ANSWER_BYTES_MAX = 65536
CAMERA_TIMEOUT_S, ANSWER_TIMEOUT_S = 2, 3
ATTEMPTS_MAX = 2                # a lost answer is asked for once more, under the same event id
TOKEN_LIFETIME_MS_MAX = 5000
CARD_EXPIRY_S = 3               # a card that the broker has not delivered by then it drops


def base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


GATE, KEY, LIMEN = os.environ["GATE_ID"], os.environ["KEY_ID"], os.environ["LIMEN"]
SECRET, PUBLIC_KEY = base64url(os.environ["SECRET"]), base64url(os.environ["PUBLIC_KEY"])


def post(path, body, content_type, event, captured_at="", badge=""):
    """Signs and sends (docs/DEVICES.md); the answer and its status, of a refusal too."""
    digest = hashlib.sha256(body).hexdigest()
    timestamp, nonce = str(time.time_ns() // 1000), secrets.token_urlsafe(18)
    lines = ["limen.request.1", "POST", path, content_type, digest, timestamp, nonce, event, captured_at, badge]
    mac = hmac.new(SECRET, "\n".join(lines).encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(mac).decode().rstrip("=")
    headers = {
        "authorization": f"Limen-HMAC-SHA256 key={KEY},timestamp={timestamp},nonce={nonce},signature={signature}",
        "content-type": content_type, "x-content-sha256": digest, "x-event-id": event,
        "x-captured-at": captured_at, "x-badge-id": badge,
    }
    request = urllib.request.Request(LIMEN + path, body, {name: value for name, value in headers.items() if value})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as answer:
            return answer.status, json.loads(answer.read(ANSWER_BYTES_MAX))
    except urllib.error.HTTPError as refusal:
        if refusal.code >= 500:
            raise
        return refusal.code, json.loads(refusal.read(ANSWER_BYTES_MAX))


class Unanswered(Exception):
    """There is no answer: whether there is a grant nobody knows."""


def again(*arguments):
    """As `post`, and once more where the answer got lost: the same event gets the recorded answer."""
    for _ in range(ATTEMPTS_MAX):
        try:
            return post(*arguments)
        except (OSError, ValueError) as error:
            lost = error
    raise Unanswered(lost)


def holds(token, event):
    """What a token opens for: (milliseconds, when it expires); 0: nothing. Its bytes: client/src/lib.rs."""
    raw = base64url(token)
    payload, signature = raw[:-64], raw[-64:]
    try:
        Ed25519PublicKey.from_public_bytes(PUBLIC_KEY).verify(signature, b"limen grant 1\0" + payload)
    except InvalidSignature:
        return 0, 0
    expires_at_ms = int.from_bytes(payload[33:41], "big")
    left_ms = expires_at_ms - time.time_ns() // 1_000_000
    mine = payload[0] == 1 and payload[1:17] == uuid.UUID(GATE).bytes and payload[45:] == event.encode()
    open_ms = int.from_bytes(payload[41:45], "big") if mine and 0 < left_ms <= TOKEN_LIFETIME_MS_MAX else 0
    return open_ms, expires_at_ms


def decide(event, card):
    """Whether a card is granted, for how long to open, and until when. Whatever goes wrong raises: it stays shut."""
    captured_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with urllib.request.urlopen(os.environ["CAMERA"], timeout=CAMERA_TIMEOUT_S) as camera:
        frame = camera.read(FRAME_BYTES_MAX + 1)
    if len(frame) > FRAME_BYTES_MAX:
        raise ValueError(f"the camera's picture has more than {FRAME_BYTES_MAX} bytes")
    status, answer = again(f"/v1/gates/{GATE}/passages", frame, "image/jpeg", event, captured_at, card)
    if status != 200 or answer["decision"] != "grant":
        print(f"stay shut: {answer.get('reason') or answer.get('code')}", flush=True)
        return False, 0, 0
    open_ms, expires_at_ms = holds(answer.get("token") or "", event)
    print(f"show the card, open for {open_ms} ms" if open_ms else "stay shut: the token does not hold", flush=True)
    return True, open_ms, expires_at_ms


def report(event, became):
    happened_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = json.dumps({"input": became, "happened_at": happened_at, "passage_event_id": event}).encode()
    status, answer = again(f"/v1/gates/{GATE}/inputs", body, "application/json", secrets.token_hex(16))
    print(f"{became}: {status} {answer.get('code', 'recorded')}", flush=True)


def main(door):
    busy, went_through = threading.Lock(), threading.Event()

    def serve(client, payload):
        event, through = secrets.token_hex(16), False
        try:
            card = str(json.loads(payload)["card"])
            granted, open_ms, expires_at_ms = decide(event, card)
            if not granted:
                return
            if open_ms:
                went_through.clear()
                expiry = Properties(PacketTypes.PUBLISH)
                expiry.MessageExpiryInterval = CARD_EXPIRY_S
                shown = json.dumps({"card": card, "open_ms": open_ms, "expires_at_ms": expires_at_ms})
                # QoS 0: what cannot be sent now must not be sent later.
                sent = client.publish(f"doors/{door}/present", shown, qos=0, properties=expiry)
                if sent.rc != mqtt.MQTT_ERR_SUCCESS:
                    print("stay shut: the broker is away", flush=True)
                through = went_through.wait(max(open_ms, TOKEN_LIFETIME_MS_MAX) / 1000 + 1)
            else:
                time.sleep(TOKEN_LIFETIME_MS_MAX / 1000)
            report(event, "rotation_done" if through else "grant_unused")
        except Unanswered as error:
            print(f"stay shut: no answer: {error}", flush=True)
            time.sleep(TOKEN_LIFETIME_MS_MAX / 1000)
            with contextlib.suppress(Unanswered):
                report(event, "grant_unused")   # not_a_grant: there was none
        except Exception as error:  # noqa: BLE001: nothing that goes wrong may open, or end the bridge
            print(f"stay shut: {error!r}", flush=True)
        finally:
            busy.release()

    def heard(client, _, message):
        if message.topic.endswith("/contact"):
            went_through.set()
        # An old card is nobody who stands there; and one after another, for signed requests come in their order.
        elif not message.retain and busy.acquire(blocking=False):
            threading.Thread(target=serve, args=(client, message.payload), daemon=True).start()

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    # A session of its own: cards that were read while the bridge was away are not asked about later.
    client.on_connect = lambda client, *_: client.subscribe([(f"doors/{door}/card", 0), (f"doors/{door}/contact", 0)])
    client.on_message = heard
    host, port = os.environ["BROKER"].rsplit(":", 1)
    client.connect_async(host, int(port))
    client.loop_forever(retry_first_connection=True)


if __name__ == "__main__":
    main(sys.argv[1])
