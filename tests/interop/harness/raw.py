"""Bytes that no client would send, and what came of them."""

import dataclasses
import struct
import time

from harness import codec, schema, wire

# How long a connection that stays open without an answer is watched.
PATIENCE_SECONDS = 1.0
# How long more answers are waited for, once there was one.
MORE_SECONDS = 0.3
ANSWER_SECONDS = 20


@dataclasses.dataclass
class Case:
    """Pieces of bytes to send, one after the other, and how the node is asked to end it."""

    name: str
    pieces: list
    pause: float = 0
    patience: float = PATIENCE_SECONDS
    # (api, version) that answers are decoded as; without it only their length is told.
    answers: tuple | None = None
    # Most resident bytes that the node may gain by it.
    growth: int = 64 << 20


def outcome(node, case):
    """What the node did: "open", "closed", and each answer before it."""
    told = []
    with node.connect(timeout=10) as connection:
        try:
            for piece in case.pieces:
                connection.send_bytes(piece)
                if case.pause:
                    time.sleep(case.pause)
            patience = case.patience
            while True:
                told.append(_describe(connection.frame(patience), case.answers))
                patience = min(MORE_SECONDS, case.patience)
        except TimeoutError:
            told.append("open")
        except wire.Closed:
            told.append("closed")
    return "; ".join(told)


def _errors(value):
    """The error codes anywhere in an answer."""
    if isinstance(value, list):
        return [code for one in value for code in _errors(one)]
    if isinstance(value, dict):
        own = [value["ErrorCode"]] if "ErrorCode" in value else []
        return own + [code for one in value.values() for code in _errors(one)]
    return []


def _describe(frame, answers):
    (correlation_id,) = struct.unpack_from(">i", frame)
    if answers is None:
        return f"answer {correlation_id}"
    api, version = answers
    message = schema.apis()[api]
    reader = codec.Reader(frame, 4)
    if version in message.response.flexible and api != "ApiVersions":
        reader.uvarint()
    body = codec.decode(message.response, version, frame[reader.position:])
    return f"answer {correlation_id} errors {sorted(set(_errors(body)))}"
