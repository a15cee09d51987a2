"""Transcripts: each type of connector through a running installation to its destination, and what arrived there."""
