"""poolproof's checker: IR, frontend, spec language, engines, evidence, CLI."""
