"""Any stored value as JSON for people, executing nothing. Pure but for a clock that backs the counted bounds.

``decode`` never raises and never imports, calls or unpickles anything, whatever the value holds. What cannot be decoded
is shown as it was stored, and says so.
"""

from otel_bridge.codec.decoding import Codec, Decoded, decode, decode_error, decode_input
from otel_bridge.codec.errors import DecodedError
from otel_bridge.codec.limits import MESSAGE, PREVIEW, WHOLE, Limits
from otel_bridge.codec.masking import holds_token, mask_bytes, mask_text
from otel_bridge.codec.redaction import REDACTED, WITHHELD, KeyRedactor, Redact, redact_keys
from otel_bridge.codec.serializers import Serializer, load_serializer

__all__ = [
    "MESSAGE",
    "PREVIEW",
    "REDACTED",
    "WHOLE",
    "WITHHELD",
    "Codec",
    "Decoded",
    "DecodedError",
    "KeyRedactor",
    "Limits",
    "Redact",
    "Serializer",
    "decode",
    "decode_error",
    "decode_input",
    "holds_token",
    "load_serializer",
    "mask_bytes",
    "mask_text",
    "redact_keys",
]
