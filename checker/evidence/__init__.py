"""Evidence for verdicts: replays, stored traces, reasons, certificates."""
