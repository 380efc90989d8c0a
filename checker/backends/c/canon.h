/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the C that is printed for a system is written in, and what is the same
 * for all of them. checker/backends/c prints WORDS, VALUE (the type of the
 * system's expressions), SYMMETRIC where there are permutations, and EACH_WORD
 * (its argument for each word's number); then this text.
 *
 * Macros, not functions, where arguments are constants or registers: a first
 * program is compiled without optimisation.
 */
#ifndef CANON_H
#define CANON_H

#include "search.h"

typedef VALUE V;

static inline V vmin(V a, V b) { return a < b ? a : b; }
static inline V vmax(V a, V b) { return a > b ? a : b; }
static inline V floor_div(V a, V b) { return a / b - (a % b < 0); }
static inline V floor_mod(V a, V b) { V r = a % b; return r < 0 ? r + b : r; }

/* Exchange the bits `mask` of a word with those d above them. */
#define SWAP_WITHIN(w, d, mask) \
	do { u64 t = ((w) >> (d) ^ (w)) & (mask); (w) ^= t | t << (d); } while (0)

/* Exchange the bits `mask` of word p with those of word q, d above or below. */
#define SWAP_ABOVE(p, q, d, mask) \
	do { u64 t = ((q) >> (d) ^ (p)) & (mask); (p) ^= t; (q) ^= t << (d); } while (0)
#define SWAP_BELOW(p, q, d, mask) \
	do { u64 t = ((q) << (d) ^ (p)) & (mask); (p) ^= t; (q) ^= t >> (d); } while (0)

/* Put two rows of one word in order. */
#define SORT_PAIR(a, b) \
	do { u64 lo = a < b ? a : b, hi = a < b ? b : a; a = lo; b = hi; } while (0)

/* Exchange a and b where m is all ones, nothing where it is 0. */
#define SWAP_WHERE(m, a, b) \
	do { u64 t = (a ^ b) & (m); a ^= t; b ^= t; } while (0)

/* Put the n elements of a scalarset in the order of their keys by exchanges
 * of neighbours, and set `tie`: whether two keys are equal. */
#define SORT_BY_KEY(w, n, key, swap, tie) \
	do { \
		for (int i = (n) - 1; i > 0; i--) \
			for (int j = 0; j < i; j++) \
				if (key(w, j) > key(w, j + 1)) \
					swap(w, j); \
		for (int j = 0; j < (n) - 1; j++) \
			tie |= key(w, j) == key(w, j + 1); \
	} while (0)

/* Put n of the items in order, those whose numbers are in `at`. An item has as
 * many fields as `fields`, field f of item i at bit shift[i * fields + f] of
 * w[word[i * fields + f]], and width[f] wide. They are nearly in order: a step
 * has changed one or two. */
static __attribute__((optimize("O2"), noinline))
void sort_items(u64 *w, const unsigned short *at, int n, int fields,
		const unsigned char *word, const unsigned char *shift,
		const unsigned char *width)
{
	u64 a[n * fields], x[fields];
	int moved = 0;
	for (int i = 0; i < n; i++) {
		int j = at[i] * fields, k = i, f;
		for (f = 0; f < fields; f++)
			x[f] = w[word[j + f]] >> shift[j + f] & ~0ull >> (64 - width[f]);
		for (; k > 0; k--) {
			const u64 *below = a + (k - 1) * fields;
			for (f = 0; f < fields - 1 && x[f] == below[f]; f++)
				;
			if (x[f] >= below[f])
				break;
			for (f = 0; f < fields; f++)
				a[k * fields + f] = below[f];
			moved = 1;
		}
		for (f = 0; f < fields; f++)
			a[k * fields + f] = x[f];
	}
	for (int i = 0; moved && i < n; i++)
		for (int f = 0, j = at[i] * fields; f < fields; f++) {
			u64 *p = w + word[j + f], m = ~0ull >> (64 - width[f]);
			*p = (*p & ~(m << shift[j + f])) | a[i * fields + f] << shift[j + f];
		}
}

#ifdef SYMMETRIC

/* Make the state w the representative of its orbit; printed. */
static inline void canon(u64 *w);

#define LOAD(k) w[k] = o->w[k][i];
#define SAVE(k) o->w[k][i] = w[k];

void canonical(Out *o)
{
	for (u32 i = 0; i < o->n; i++) {
		u64 w[WORDS];
		EACH_WORD(LOAD)
		canon(w);
		EACH_WORD(SAVE)
	}
}

#else

void canonical(Out *o)
{
	(void)o;
}

void member(u64 *w, u32 k)
{
	(void)w;
	(void)k;
}

#endif
#endif
