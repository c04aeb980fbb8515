"""What the state store holds, in our vocabulary. Pure data: no clock, file, socket or database."""
