"""Plug-ins that send a release somewhere: a folder, a bucket, a server."""
