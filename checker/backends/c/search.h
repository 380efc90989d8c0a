/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the search and the C that is printed for one system know of each
 * other. checker/backends/c puts this text in front of the latter.
 */
#ifndef SEARCH_H
#define SEARCH_H

typedef unsigned long long u64;
typedef unsigned int u32;

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Successors: word k of the i-th is w[k][i], its step id[i]. */
typedef struct {
	u32 n;
	u32 *id;
	u64 *hash;
	u64 *w[WORDS];
} Out;

struct best;

typedef struct Thread {
	int failed;                 /* the state at hand has a defect */
	u64 *counter;               /* what steps count themselves */
	unsigned char *antecedent;  /* which came true */

	_Alignas(64) int id;
	enum { SEARCH, TRACE, EXPLAIN, PROBE } mode;
	u64 *states;                /* all this thread's states, level by level */
	u64 used, room;
	u64 reported;               /* of `used`, in the common count */
	u64 transitions, deadlocks;
	int cur;
	Out out[2];
	u64 *fired;
	struct best *best;          /* least state of each event on this level */
	struct best *pred;          /* TRACE: least predecessor of each target */
	int want;                   /* EXPLAIN: the event, */
	u32 want_id;                /* and its least step */
	u32 *tally;                 /* PROBE: events, by number */
	u64 *recent;                /* successors that were seen a moment ago */
	Out probe[2];
} Thread;

/* Something worth telling about state s, or its step `id`. */
void event(Thread *T, int e, const u64 *s, u32 id);

#define FAIL(e, id) do { T->failed = 1; event(T, e, s, id); } while (0)

/* What is printed for a system. */
extern const struct model {
	u32 steps, counters, antecedents;
	int events, deadlock, symmetric;
	u32 members;                /* permutations that are in doubt, less one */
	const unsigned char *wanted, *is_open, *by_step;  /* of each event */
} model;

void check(Thread *T, const u64 *s);
void expand(Thread *T, const u64 *s, Out *o);
void canonical(Out *o);

/* Actions of which only the search can tell whether they are symmetric, and
 * the way from one permutation of a state to the next. */
void doubted(Thread *T, const u64 *s, Out *o);
void member(u64 *w, u32 k);

#endif
