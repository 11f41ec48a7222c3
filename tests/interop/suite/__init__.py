"""The parts of the interop suite that no server needs to know."""
