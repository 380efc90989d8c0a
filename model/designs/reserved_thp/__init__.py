"""Reserved THP: the RFC of 2026-06-27 as posted, and its plans."""
