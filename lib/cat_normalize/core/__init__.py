"""Foundations of every stage: errors, settings, names, columns, CSV, manifests and storage."""
