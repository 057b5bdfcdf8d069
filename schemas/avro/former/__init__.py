"""Schemas that versions of dialfeed before this one wrote with, each as `Name-FINGERPRINT.avsc`: still read."""
