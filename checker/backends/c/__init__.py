"""The IR as C: program.py puts together what the other modules print."""
