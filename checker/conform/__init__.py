# SPDX-License-Identifier: GPL-2.0-only
"""A design and a real kernel, call by call: do they answer alike?"""
