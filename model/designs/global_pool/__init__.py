"""One global pool for all consumers of huge pages."""
