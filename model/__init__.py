"""poolproof's modelling language, building blocks and designs."""
