"""Answers in words: plain text, HTML, Markdown, JSON."""
