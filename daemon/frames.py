"""WebSocket text as it goes over the wire.

A server masks nothing, so a frame is the same bytes for every reader: it is made once.
"""

FRAMES = "oee.frames"  # where an ASGI message `websocket.send` has frames that are ready

_FINAL_TEXT = 0x81
_SHORT, _MEDIUM = 125, 0xFFFF


def text_frame(payload: bytes) -> bytes:
    """One whole text message as a frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size <= _SHORT:
        head = bytes((_FINAL_TEXT, size))
    elif size <= _MEDIUM:
        head = bytes((_FINAL_TEXT, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL_TEXT, 127)) + size.to_bytes(8, "big")
    return head + payload
