"""What every room uses: expressions, systems, properties, verdicts, budgets."""
