# SPDX-License-Identifier: GPL-2.0-only
"""Which functions a C file defines, from where to where, and their digests."""

from __future__ import annotations

import pytest

from poolproof.checker.linux.functions import functions

TEXT = """\
/* int commented(void) { } */
#include <linux/mm.h>
#define TWICE(x) \\
	((x) * 2)
struct pool { int free; };
static const struct ops pool_ops = {
	.open	= pool_open,
};
DEFINE_MUTEX(pool_lock);
static long pool_take(struct pool *p, long nr)
	__must_hold(&pool_lock)
{
	char brace = '}';	/* { */
	return p->free - nr;
}
EXPORT_SYMBOL_GPL(pool_take);
int declared(int a,
		int b);
bool __init __attribute((weak)) pool_valid(void)
{
	return "}" != NULL;
}
SYSCALL_DEFINE2(pool, unsigned long, addr, size_t, len)
{
	return 0;
}
POOL_ATTR(free)
static struct folio *
pool_folio(int nid)
{
#ifdef CONFIG_NUMA
	if (nid) {
#else
	if (0) {
#endif
		return NULL;
	}
	return find(nid);
}
"""


def test_definitions_are_found_with_their_lines() -> None:
    """The lines are counted by hand in the text above."""
    found = [(f.name, f.first, f.last) for f in functions(TEXT)]
    assert found == [
        ("TWICE", 3, 4),
        ("pool_take", 10, 15),
        ("pool_valid", 19, 22),
        ("pool", 23, 26),
        ("pool_folio", 27, 39),
    ]


def digest(body: str, head: str = "static int f(int a)") -> str:
    (found,) = functions(f"{head}\n{{\n{body}\n}}\n")
    return found.digest


def test_comments_space_and_storage_class_do_not_count() -> None:
    plain = digest("\treturn a + 1;")
    assert digest("\treturn a\n\t\t+ 1; /* one more */ // !") == plain
    assert digest("\treturn a + 1;", "int f(int a)") == plain


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ("\treturn a + 2;", "static int f(int a)"),
        ("\treturn a - 1;", "static int f(int a)"),
        ('\treturn a + 1;\n\tpr_info("a b");', "static int f(int a)"),
        ("\treturn a + 1;", "static int f(long a)"),
        ("#ifdef CONFIG_NUMA\n\treturn a + 1;\n#endif", "static int f(int a)"),
    ],
)
def test_everything_else_counts(body: str, head: str) -> None:
    assert digest(body, head) != digest("\treturn a + 1;")


def test_text_in_strings_counts() -> None:
    assert digest('\treturn g("a  b");') != digest('\treturn g("a b");')


def test_what_does_not_end_is_no_definition() -> None:
    assert functions("int f(void)\n{\n\tif (a) {\n\treturn 1;\n}\n") == ()
