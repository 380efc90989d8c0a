# SPDX-License-Identifier: GPL-2.0-only
"""What expressions mean, for both languages: designs and specs.

The two frontends know how their texts are walked and what their names mean.
What stands here is the same for both: domains as sorts, values that take
their sort from context, operators, aggregates, indices, and the messages for
operands that do not fit.
"""
