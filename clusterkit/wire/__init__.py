"""The sans-IO protocol: bytes in, events out; records in, bytes out."""
