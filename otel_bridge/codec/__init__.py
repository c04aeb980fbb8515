"""Any stored value as JSON for people, executing nothing. Pure but for a clock that backs the counted bounds.

``decode`` never raises and never imports, calls or unpickles anything, whatever the value holds. What cannot be decoded
is shown as it was stored, and says so.
"""

from otel_bridge.codec.decoding import Decoded, decode, decode_error, decode_input
from otel_bridge.codec.errors import DecodedError
from otel_bridge.codec.limits import MESSAGE, PREVIEW, WHOLE, Limits
from otel_bridge.codec.redaction import REDACTED, WITHHELD, KeyRedactor, Redact, redact_keys

__all__ = [
    "MESSAGE",
    "PREVIEW",
    "REDACTED",
    "WHOLE",
    "WITHHELD",
    "Decoded",
    "DecodedError",
    "KeyRedactor",
    "Limits",
    "Redact",
    "decode",
    "decode_error",
    "decode_input",
    "redact_keys",
]
