"""Rows to devices."""
