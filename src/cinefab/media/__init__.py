"""Frames, codecs, type and the sandbox that decodes what strangers send."""
