"""Answers as plain text, HTML, Markdown and JSON."""
