/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Breadth-first search over packed states; the part of the native engine that
 * is the same for every system of as many WORDS. checker/backends/c prints the
 * rest, checker/engines/native.py compiles both and talks to the program.
 *
 * Every thread appends the states it finds first to an array of its own, so
 * that the array is the list of levels; the visited set holds one word a
 * state: the state itself where it has one word, else part of its hash and
 * its place. No parents are kept: a trace is found by expanding the levels
 * again, from its end back to the start, taking the least predecessor. All
 * choices are by the states' values, so threads do not change any answer.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "search.h"

typedef unsigned __int128 u128;

#define COLD __attribute__((noinline, cold))

enum {
	BATCH = 256,                /* successors between two rounds of probing */
	GRAB = 64,                  /* states a worker takes at a time */
	SOLO = 1024,                /* a level this small is for one thread */
	LINE = 8,                   /* slots in a cache line */
	MAX_THREADS = 256,          /* as native.py says, too */
};
#define ROOM (BATCH + model.steps + 1)  /* of one buffer */

/* Why the search ended before everything was visited. */
enum stop { COMPLETE, MEMORY, SECONDS, STATES, DEPTH, INTERRUPTED, DECIDED, OPEN };
static const char *const stop_names[] = { "complete", "memory", "seconds",
	"states", "depth", "interrupted", "decided", "open" };

struct best {
	int set;
	u64 s[WORDS];
};

static struct found {
	int set;
	int depth;
	u64 s[WORDS];
} *found;


static int less(const u64 *a, const u64 *b)
{
	for (int k = WORDS - 1; k >= 0; k--)
		if (a[k] != b[k])
			return a[k] < b[k];
	return 0;
}

static int same(const u64 *a, const u64 *b)
{
	u64 d = 0;
	for (int k = 0; k < WORDS; k++)
		d |= a[k] ^ b[k];
	return !d;
}

COLD void event(Thread *T, int e, const u64 *s, u32 id)
{
	if (T->mode == PROBE)
		T->tally[e]++;
	if (T->mode == EXPLAIN && e == T->want && id < T->want_id)
		T->want_id = id;
	if (T->mode != SEARCH || found[e].set)
		return;
	struct best *b = &T->best[e];
	if (!b->set || less(s, b->s)) {
		b->set = 1;
		memcpy(b->s, s, sizeof b->s);
	}
}

/* --- the visited set ----------------------------------------------------- */

static Thread *threads[MAX_THREADS];
static int nthreads = 1;
static u64 *slots;
static u64 lines;               /* cache lines in `slots` */
static _Atomic u64 stored;
static u64 grow_at;
static atomic_int pause_flag, stop_flag, interrupts;
static u64 memory_limit, states_limit;
static int depth_limit, until_decided;
static double started, seconds_limit;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static u64 hash_of(const u64 *w)
{
#if WORDS == 1
	u64 h = w[0] * 0x9e3779b97f4a7c15u;
	h ^= h >> 32;
	return h * 0xd6e8feb86659fd93u;
#else
	u64 h = 0x9e3779b97f4a7c15u;
	for (int k = 0; k < WORDS; k++) {
		u128 m = (u128)(h ^ w[k]) * 0xd6e8feb86659fd93u;
		h = (u64)m ^ (u64)(m >> 64) ^ (h << 29 | h >> 35);
	}
	h *= 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
#endif
}

static u64 line_of(u64 hash)
{
	return (u64)((u128)hash * lines >> 64);
}

/* Bit j is set where slot j of the line is `want` in the bits of `mask`, and
 * where it is empty. */
typedef u64 v8 __attribute__((vector_size(64)));
#if defined __AVX512F__ && !defined __clang__
typedef long long q8 __attribute__((vector_size(64)));

static inline u32 matches(const u64 *line, u64 want, u64 mask, u32 *empty)
{
	v8 all = *(const volatile v8 *)line;
	*empty = (unsigned char)__builtin_ia32_ptestnmq512((q8)all, (q8)all, -1);
	v8 other = all ^ want, bits = (v8){} + mask;
	return (unsigned char)__builtin_ia32_ptestnmq512((q8)other, (q8)bits, -1);
}
#else
static inline u32 matches(const u64 *line, u64 want, u64 mask, u32 *empty)
{
	u32 hit = 0, none = 0;
	for (int j = 0; j < LINE; j++) {
		u64 e = __atomic_load_n(line + j, __ATOMIC_ACQUIRE);
		hit |= (u32)!((e ^ want) & mask) << j;
		none |= (u32)!e << j;
	}
	*empty = none;
	return hit;
}
#endif

#if WORDS == 1
#define WANT(hash, w) ((w)[0] | 1ull << 63)
#define WANT_BITS (~0ull)
#define ENTRY(t, at, hash, w) WANT(hash, w)
#else
enum { PLACE = 36, OWNER = 8 };
#define WANT(hash, w) ((hash) << (PLACE + OWNER))
#define WANT_BITS (~0ull << (PLACE + OWNER))
#define ENTRY(t, at, hash, w) (WANT(hash, w) | (u64)(t) << PLACE | ((at) + 1))

static const u64 *entry_state(u64 e)
{
	u64 at = (e & ((1ull << PLACE) - 1)) - 1;
	return threads[e >> PLACE & ((1 << OWNER) - 1)]->states + at * WORDS;
}

/* Fetch the stored state that a probe will look at. */
static void peek(u64 hash)
{
	const u64 *p = slots + line_of(hash) * LINE;
	u32 empty, hit = matches(p, WANT(hash, 0), WANT_BITS, &empty) & ~empty;
	if (hit)
		__builtin_prefetch(entry_state(p[__builtin_ctz(hit)]));
}
#endif

/* Adds the state unless it is there. */
static inline void insert(Thread *T, const u64 *w, u64 hash)
{
	u64 line = line_of(hash);
	for (;;) {
		u64 *p = slots + line * LINE;
		u32 empty, hit = matches(p, WANT(hash, w), WANT_BITS, &empty);
#if WORDS == 1
		if (hit)
			return;
#else
		for (hit &= ~empty; hit; hit &= hit - 1)
			if (same(entry_state(p[__builtin_ctz(hit)]), w))
				return;
#endif
		if (empty) {
			u64 none = 0, e = ENTRY(T->id, T->used, hash, w);
			p += __builtin_ctz(empty);
#if WORDS > 1
			memcpy(T->states + T->used * WORDS, w, sizeof(u64) * WORDS);
#endif
			if (nthreads == 1)
				*p = e;
			else if (!__atomic_compare_exchange_n(p, &none, e, 0,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
				continue;
#if WORDS == 1
			T->states[T->used] = w[0];
#endif
			T->used++;
			return;
		}
		if (++line == lines)
			line = 0;
	}
}

static u64 *reserve(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (bytes >= 4 << 20)
		madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static u64 bytes_of_states(void)
{
	u64 total = 0;
	for (int t = 0; t < nthreads; t++)
		total += threads[t]->used * sizeof(u64) * WORDS;
	return total;
}

static u64 bytes_used(void)
{
	return bytes_of_states() + lines * LINE * 8 + (u64)nthreads * ROOM * 8 * (WORDS + 2);
}

/* A visited set of about `want` lines, or what the memory allows. */
static int new_table(u64 want)
{
	u64 old = lines;
	u64 others = bytes_of_states() + (u64)nthreads * ROOM * 8 * (WORDS + 2);
	u64 most = memory_limit > others ? (memory_limit - others) / 64 : 0;
	/* leave the states to come their share */
	most = most * 8 / (8 + 8 * WORDS) + old * 8 * WORDS / (8 + 8 * WORDS);
	if (want > most)
		want = most;
	if (old && want < old + old / 8)
		return 0;
	if (slots)
		munmap(slots, lines * 64);
	slots = reserve(want * 64);
	if (!slots) {
		want = old;
		slots = reserve(want * 64);
		if (!slots)
			abort();
	}
	lines = want;
	grow_at = lines * LINE / 16 * 14 - (u64)nthreads * 2 * ROOM;
	return lines > old;
}

/* Puts this thread's share of all states into the new table. */
static void refill(Thread *T)
{
	for (int t = 0; t < nthreads; t++) {
		Thread *from = threads[t];
		u64 i = from->used * T->id / nthreads;
		u64 end = from->used * (T->id + 1) / nthreads;
		while (i < end) {
			u64 h[64], n = end - i < 64 ? end - i : 64;
			for (u64 j = 0; j < n; j++) {
				h[j] = hash_of(from->states + (i + j) * WORDS);
				__builtin_prefetch(slots + line_of(h[j]) * LINE, 1);
			}
			for (u64 j = 0; j < n; j++) {
				u64 none = 0, e = ENTRY(t, i + j, h[j],
						from->states + (i + j) * WORDS);
				u64 *p = slots + line_of(h[j]) * LINE;
				while (!__atomic_compare_exchange_n(p, &none, e, 0,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
					none = 0;
					if (++p == slots + lines * LINE)
						p = slots;
				}
			}
			i += n;
		}
	}
}

/* --- one level ----------------------------------------------------------- */

static u64 *levels;             /* of each level, where each thread's states end */
static int depth, levels_room;
static _Atomic u64 next_state[MAX_THREADS];
static int check_only, expand_only;

/* A thread's states of level d: from level_start to level_end. */
static u64 level_end(int d, int t)
{
	return d < 0 ? 0 : levels[(u64)d * nthreads + t];
}

static u64 level_start(int d, int t)
{
	return level_end(d - 1, t);
}

static void gather(const Out *o, u32 i, u64 *w)
{
	for (int k = 0; k < WORDS; k++)
		w[k] = o->w[k][i];
}

static void look_up(Thread *T, Out *o)
{
	u64 w[WORDS];
#if WORDS > 1
	for (u32 i = 0; i < o->n; i++)
		peek(o->hash[i]);
#endif
	for (u32 i = 0; i < o->n; i++) {
		gather(o, i, w);
		insert(T, w, o->hash[i]);
	}
	o->n = 0;
}

/* --- recent successors ----------------------------------------------------
 *
 * Most successors were seen a moment ago, as they were made: a step that changes
 * nothing here, or two steps in either order. One that is in this small table is
 * on its way to the visited set or there already, and needs no canonical form
 * and no look-up. Whole states are compared, so nothing is lost. */

enum { RECENT = 12 };           /* log2 of the states in the table */

static u64 *recent_of(const Thread *T, const u64 *w)
{
	return T->recent + (hash_of(w) >> (64 - RECENT)) * WORDS;
}

/* In each place a state that does not belong there. */
static void forget_recent(Thread *T)
{
	u64 w[WORDS] = { 0 };
	u64 *zero = recent_of(T, w);
	memset(T->recent, 0, sizeof w << RECENT);
	for (w[0] = 1; recent_of(T, w) == zero; w[0]++)
		;
	memcpy(zero, w, sizeof w);
}

/* Leaves out the successors that are in the table, and puts the others there. */
static void sift(Thread *T, Out *o)
{
	u64 w[WORDS];
	u32 n = 0;
	for (u32 i = 0; i < o->n; i++) {
		gather(o, i, w);
		u64 *known = recent_of(T, w);
		int fresh = !same(known, w);  /* no branch: it could not be foreseen */
		for (int k = 0; k < WORDS; k++)
			o->w[k][n] = known[k] = w[k];
		n += fresh;
	}
	o->n = n;
}

/* Sends the buffer at hand on its way and looks up the one before. */
static void turn(Thread *T)
{
	Out *o = &T->out[T->cur];
	u64 w[WORDS];
	for (u32 i = 0; i < o->n; i++)
		T->fired[o->id[i]]++;
	sift(T, o);
	canonical(o);
	for (u32 i = 0; i < o->n; i++) {
		gather(o, i, w);
		u64 h = o->hash[i] = hash_of(w);
		__builtin_prefetch(slots + line_of(h) * LINE);
	}
	T->cur ^= 1;
	look_up(T, &T->out[T->cur]);
	u64 all = atomic_fetch_add_explicit(&stored, T->used - T->reported,
			memory_order_relaxed) + T->used - T->reported;
	T->reported = T->used;
	if (all >= grow_at)
		atomic_store(&pause_flag, 1);
	if (all >= states_limit)
		atomic_store(&stop_flag, STATES);
	if (T->used + 2 * ROOM > T->room)
		atomic_store(&stop_flag, MEMORY);
}

/* All steps from a state. */
static void successors(Thread *T, const u64 *s, Out *o)
{
	expand(T, s, o);
	doubted(T, s, o);
}

static atomic_int asymmetric;

static void sort_states(Out *o)
{
	for (u32 gap = o->n / 2; gap; gap /= 2)
		for (u32 i = gap; i < o->n; i++)
			for (u32 j = i; j >= gap; j -= gap) {
				u64 a[WORDS], b[WORDS];
				gather(o, j - gap, a);
				gather(o, j, b);
				if (!less(b, a))
					break;
				for (int k = 0; k < WORDS; k++) {
					o->w[k][j] = a[k];
					o->w[k][j - gap] = b[k];
				}
			}
}

/* The actions in doubt lead from every permutation of s to the same orbits,
 * with the same events; else the quotient is no bisimulation. */
static __attribute__((noinline)) void probe(Thread *T, const u64 *s)
{
	u64 w[WORDS], *counter = T->counter;
	u64 size = model.events * sizeof *T->tally;
	int failed = T->failed;
	memcpy(w, s, sizeof w);
	T->mode = PROBE;
	T->counter += model.counters;
	for (u32 k = 0; k <= model.members; k++) {
		Out *o = &T->probe[k > 0];
		if (k)
			member(w, k - 1);
		o->n = 0;
		memset(T->tally, 0, size);
		doubted(T, w, o);
		canonical(o);
		sort_states(o);
		if (!k) {
			memcpy(T->tally + model.events, T->tally, size);
			continue;
		}
		int alike = o->n == T->probe[0].n
			&& !memcmp(T->tally + model.events, T->tally, size);
		for (int j = 0; alike && j < WORDS; j++)
			alike = !memcmp(o->w[j], T->probe[0].w[j], o->n * sizeof(u64));
		if (!alike) {
			atomic_store(&asymmetric, 1);
			atomic_store(&stop_flag, INTERRUPTED);
			break;
		}
	}
	T->counter = counter;
	T->failed = failed;
	T->mode = SEARCH;
}

static void progress(int frontier_done);

static void visit(Thread *T, const u64 *s)
{
	if (!expand_only)
		check(T, s);
	if (check_only)
		return;
	Out *o = &T->out[T->cur];
	u32 before = o->n;
	T->failed = 0;
	successors(T, s, o);
	if (model.members)
		probe(T, s);
	T->transitions += o->n - before;
	if (UNLIKELY(o->n == before) && !T->failed) {
		T->deadlocks++;
		event(T, model.deadlock, s, 0);
	}
	if (o->n >= BATCH)
		turn(T);
}

static void search_level(Thread *T)
{
	T->mode = SEARCH;
	for (int k = 0; k < nthreads; k++) {
		int t = (T->id + k) % nthreads;
		u64 i, last = level_end(depth, t);
		while ((i = atomic_fetch_add(&next_state[t], GRAB)) < last) {
			u64 end = i + GRAB < last ? i + GRAB : last;
			for (; i < end; i++)
				visit(T, threads[t]->states + i * WORDS);
			if (T->id == 0)
				progress(0);
			if (atomic_load_explicit(&pause_flag, memory_order_relaxed) ||
			    atomic_load_explicit(&stop_flag, memory_order_relaxed))
				goto out;
		}
	}
out:
	turn(T);
	turn(T);
}

/* --- several threads ------------------------------------------------------- */

static enum phase { EXPAND, REFILL, BACK, QUIT } phase;
static pthread_barrier_t gate;
static void trace_level(Thread *T);

static void perform(Thread *T)
{
	switch (phase) {
	case EXPAND: search_level(T); break;
	case REFILL: refill(T); break;
	case BACK: trace_level(T); break;
	case QUIT: break;
	}
}

static void *worker(void *arg)
{
	Thread *T = arg;
	enum phase mine;
	do {
		pthread_barrier_wait(&gate);
		mine = phase;
		perform(T);
		pthread_barrier_wait(&gate);
	} while (mine != QUIT);
	return NULL;
}

static void together(enum phase what, u64 size)
{
	phase = what;
	if (nthreads == 1 || (what != QUIT && what != REFILL && size < SOLO)) {
		perform(threads[0]);
		return;
	}
	pthread_barrier_wait(&gate);
	perform(threads[0]);
	pthread_barrier_wait(&gate);
}

/* --- the search ------------------------------------------------------------ */

static u64 level_size(int d)
{
	u64 total = 0;
	for (int t = 0; t < nthreads; t++)
		total += level_end(d, t) - level_start(d, t);
	return total;
}

/* Keeps the least state of each event that this level brought. */
static int merge_events(void)
{
	int undecided = 0;
	for (int e = 0; e < model.events; e++) {
		for (int t = 0; t < nthreads && !(found[e].set && found[e].depth < depth); t++) {
			struct best *b = &threads[t]->best[e];
			if (b->set && (!found[e].set || less(b->s, found[e].s))) {
				found[e].set = 1;
				found[e].depth = depth;
				memcpy(found[e].s, b->s, sizeof b->s);
			}
		}
		undecided += model.wanted[e] && !found[e].set;
	}
	for (int t = 0; t < nthreads; t++)
		for (int e = 0; e < model.events; e++)
			threads[t]->best[e].set = 0;
	return undecided;
}

static void progress(int force)
{
	static double last;
	double t = now();
	if (atomic_load(&interrupts))
		atomic_store(&stop_flag, INTERRUPTED);
	if (t - started > seconds_limit)
		atomic_store(&stop_flag, SECONDS);
	if (t - last < 0.2 && !force)
		return;
	last = t;
	if (bytes_used() > memory_limit)
		atomic_store(&stop_flag, MEMORY);
	u64 transitions = 0;
	for (int k = 0; k < nthreads; k++)
		transitions += threads[k]->transitions;
	printf("progress %llu %llu %d %llu %llu\n",
	       (unsigned long long)atomic_load(&stored),
	       (unsigned long long)transitions, depth,
	       (unsigned long long)level_size(depth),
	       (unsigned long long)bytes_used());
	fflush(stdout);
}

static void add_level(void)
{
	if (depth + 1 >= levels_room) {
		levels_room = 2 * levels_room + 64;
		levels = realloc(levels, sizeof *levels * levels_room * nthreads);
		if (!levels)
			abort();
	}
	for (int t = 0; t < nthreads; t++)
		levels[(u64)(depth + 1) * nthreads + t] = threads[t]->used;
}

static int checked = -1;

/* Does this level's work, in several goes where the visited set must grow. */
static void whole_level(u64 size)
{
	for (int t = 0; t < nthreads; t++)
		atomic_store(&next_state[t], level_start(depth, t));
	for (;;) {
		atomic_store(&pause_flag, 0);
		together(EXPAND, size);
		if (atomic_load(&stop_flag) || !atomic_load(&pause_flag))
			return;
		u64 factor = lines < 1 << 19 ? 32 : 13;
		if (!new_table(lines * factor / 8)) {
			atomic_store(&stop_flag, MEMORY);
			return;
		}
		together(REFILL, 0);
	}
}

/* Level after level. The initial states are level 0 already. */
static void search(void)
{
	for (;;) {
		u64 size = level_size(depth);
		int last = depth >= depth_limit;
		if (until_decided || last) {
			check_only = 1;
			expand_only = 0;
			whole_level(size);
			check_only = 0;
			expand_only = 1;
			if (!merge_events() && until_decided)
				atomic_store(&stop_flag, DECIDED);
		}
		if (!last && !atomic_load(&stop_flag))
			whole_level(size);
		int undecided = merge_events();
		for (int e = 0; e < model.events; e++)
			if (found[e].set && model.is_open[e])
				atomic_store(&stop_flag, OPEN);
		int stop = atomic_load(&stop_flag);
		if (!stop || stop == OPEN || stop == DECIDED)
			checked = depth;
		if (!stop && until_decided && !undecided)
			atomic_store(&stop_flag, DECIDED);
		add_level();
		if (!level_size(depth + 1)) {
			if (last)
				atomic_store(&stop_flag, DEPTH);
			return;
		}
		if (atomic_load(&stop_flag)) {
			depth++;
			return;
		}
		depth++;
	}
}

/* --- traces ---------------------------------------------------------------- */

/* Expanding again bumps the counters again: report() comes first. */
static int trace_depth, targets;
static u64 (*target)[WORDS];
static u64 target_bits;

static u64 target_bit(const u64 *w)
{
	return 1ull << (hash_of(w) >> 58);
}

/* The least state of the level before that each target is a successor of. */
static void trace_level(Thread *T)
{
	Out *o = &T->out[0];
	u64 w[WORDS];
	T->mode = TRACE;
	for (int k = 0; k < nthreads; k++) {
		int t = (T->id + k) % nthreads;
		u64 i, last = level_end(trace_depth - 1, t);
		while ((i = atomic_fetch_add(&next_state[t], GRAB)) < last) {
			u64 end = i + GRAB < last ? i + GRAB : last;
			for (; i < end; i++) {
				const u64 *s = threads[t]->states + i * WORDS;
				o->n = 0;
				successors(T, s, o);
				canonical(o);
				for (u32 j = 0; j < o->n; j++) {
					gather(o, j, w);
					if (!(target_bits & target_bit(w)))
						continue;
					for (int g = 0; g < targets; g++)
						if (same(w, target[g]) && (!T->pred[g].set
						    || less(s, T->pred[g].s))) {
							T->pred[g].set = 1;
							memcpy(T->pred[g].s, s, sizeof w);
						}
				}
			}
		}
	}
	o->n = 0;
}

static const u64 *initial;
static u64 initials;

/* Prints a concrete run along the canonical states path[0..d]. */
static void print_trace(int e, u64 (*path)[WORDS], int d)
{
	Thread *T = threads[0];
	Out *o = &T->out[0];
	u64 s[WORDS], w[WORDS], start = 0;
	T->mode = TRACE;
	for (;; start++) {
		if (start == initials)
			abort();
		o->n = 1;
		for (int k = 0; k < WORDS; k++)
			o->w[k][0] = s[k] = initial[start * WORDS + k];
		canonical(o);
		gather(o, 0, w);
		if (same(w, path[0]))
			break;
	}
	printf("trace %d %llu", e, (unsigned long long)start);
	for (int k = 1; k <= d; k++) {
		u32 best = ~0u, at = 0;
		Out *plain = &T->out[1];
		o->n = plain->n = 0;
		successors(T, s, o);
		successors(T, s, plain);
		canonical(o);
		for (u32 j = 0; j < o->n; j++) {
			gather(o, j, w);
			if (same(w, path[k]) && o->id[j] < best) {
				best = o->id[j];
				at = j;
			}
		}
		if (best == ~0u)
			abort();
		gather(plain, at, s);
		printf(" %u", best);
	}
	if (model.by_step[e]) {
		T->mode = EXPLAIN;
		T->want = e;
		T->want_id = ~0u;
		o->n = 0;
		successors(T, s, o);
		if (T->want_id == ~0u)
			abort();
		printf(" %u", T->want_id);
	}
	T->out[0].n = T->out[1].n = 0;
	printf("\n");
}

static void traces(void)
{
	u64 (*path[model.events])[WORDS];
	int of[model.events], last = 0;
	u64 goal[model.events][WORDS];
	for (int e = 0; e < model.events; e++) {
		path[e] = NULL;
		if (!found[e].set)
			continue;
		path[e] = malloc(sizeof(u64) * WORDS * (found[e].depth + 1));
		if (!path[e])
			abort();
		memcpy(path[e][found[e].depth], found[e].s, sizeof found[e].s);
		if (found[e].depth > last)
			last = found[e].depth;
	}
	target = goal;
	for (trace_depth = last; trace_depth > 0; trace_depth--) {
		targets = 0;
		target_bits = 0;
		for (int e = 0; e < model.events; e++) {
			if (!path[e] || found[e].depth < trace_depth)
				continue;
			const u64 *s = path[e][trace_depth];
			int g = 0;
			while (g < targets && !same(goal[g], s))
				g++;
			if (g == targets) {
				memcpy(goal[targets++], s, sizeof goal[0]);
				target_bits |= target_bit(s);
			}
			of[e] = g;
		}
		for (int t = 0; t < nthreads; t++) {
			memset(threads[t]->pred, 0, model.events * sizeof(struct best));
			atomic_store(&next_state[t], level_start(trace_depth - 1, t));
		}
		together(BACK, level_size(trace_depth - 1));
		for (int e = 0; e < model.events; e++) {
			if (!path[e] || found[e].depth < trace_depth)
				continue;
			const struct best *b = NULL;
			for (int t = 0; t < nthreads; t++) {
				const struct best *c = &threads[t]->pred[of[e]];
				if (c->set && (!b || less(c->s, b->s)))
					b = c;
			}
			if (!b)
				abort();
			memcpy(path[e][trace_depth - 1], b->s, sizeof b->s);
		}
	}
	for (int e = 0; e < model.events; e++) {
		if (!path[e])
			continue;
		printf("event %d %d\n", e, found[e].depth);
		print_trace(e, path[e], found[e].depth);
	}
}

/* --- talking to the engine ------------------------------------------------- */

static void interrupted(int signal)
{
	(void)signal;
	if (atomic_fetch_add(&interrupts, 1) > 1)
		_exit(130);
}

static void read_all(void *to, size_t size)
{
	if (size && fread(to, size, 1, stdin) != 1) {
		fprintf(stderr, "short input\n");
		exit(2);
	}
}

static void report(void)
{
	struct rusage used;
	u64 *total = threads[0]->fired, *counters = threads[0]->counter;
	u64 transitions = 0, deadlocks = 0, states = 0;
	getrusage(RUSAGE_SELF, &used);
	for (int t = 0; t < nthreads; t++) {
		transitions += threads[t]->transitions;
		deadlocks += threads[t]->deadlocks;
		states += threads[t]->used;
		for (u32 k = 0; t && k < model.steps; k++)
			total[k] += threads[t]->fired[k];
		for (u32 k = 0; t && k < model.counters; k++)
			counters[k] += threads[t]->counter[k];
		for (u32 k = 0; k < model.antecedents; k++)
			threads[0]->antecedent[k] |= threads[t]->antecedent[k];
	}
	printf("states %llu\ntransitions %llu\ndepth %d\nchecked %d\n",
	       (unsigned long long)states, (unsigned long long)transitions,
	       depth, checked);
	printf("deadlocks %llu\nmemory %llu\nstop %s\nseconds %.6f\n",
	       (unsigned long long)deadlocks,
	       (unsigned long long)used.ru_maxrss * 1024,
	       stop_names[atomic_load(&stop_flag)], now() - started);
	for (u32 k = 0; k < model.steps; k++)
		if (total[k])
			printf("fired %u %llu\n", k, (unsigned long long)total[k]);
	for (u32 k = 0; k < model.counters; k++)
		if (counters[k])
			printf("counter %u %llu\n", k, (unsigned long long)counters[k]);
	for (u32 k = 0; k < model.antecedents; k++)
		if (threads[0]->antecedent[k])
			printf("antecedent %u\n", k);
}

static void *zeroed(u64 count, u64 size)
{
	void *p = calloc(count + 8, size);
	if (!p)
		exit(2);
	return p;
}

/* States that each thread has addresses for: as many as the memory holds, so
 * that one may find them all; or its share, where addresses are rationed. */
static u64 state_room(void)
{
	struct rlimit addresses;
	u64 bytes = memory_limit;
	getrlimit(RLIMIT_AS, &addresses);
	if (addresses.rlim_cur != RLIM_INFINITY && addresses.rlim_cur / 2 / nthreads < bytes)
		bytes = addresses.rlim_cur / 2 / nthreads;
	return (bytes / (8 * WORDS) / 512 + 1) * 512 + 4 * ROOM + initials;
}

static Thread *new_thread(int id)
{
	Thread *T = aligned_alloc(64, sizeof *T);
	if (!T)
		exit(2);
	memset(T, 0, sizeof *T);
	T->id = id;
	T->counter = zeroed(2 * model.counters, 8);
	T->antecedent = zeroed(model.antecedents, 1);
	T->fired = zeroed(model.steps, 8);
	T->best = zeroed(model.events, sizeof *T->best);
	T->pred = zeroed(model.events, sizeof *T->pred);
	T->tally = zeroed(2 * model.events, sizeof *T->tally);
	T->recent = zeroed(WORDS << RECENT, sizeof *T->recent);
	forget_recent(T);
	for (int k = 0; k < 4; k++) {
		Out *o = k < 2 ? &T->out[k] : &T->probe[k - 2];
		o->id = zeroed(ROOM, 4);
		o->hash = zeroed(ROOM, 8);
		for (int j = 0; j < WORDS; j++)
			o->w[j] = zeroed(ROOM, 8);
	}
	return T;
}

/* Write the states to a file, if there are not too many. */
static void write_states(const char *path, u64 most)
{
	u64 states = 0;
	for (int t = 0; t < nthreads; t++)
		states += threads[t]->used;
	if (!*path || states > most)
		return;
	FILE *file = fopen(path, "wb");
	if (!file)
		return;
	for (int t = 0; t < nthreads; t++)
		fwrite(threads[t]->states, 8 * WORDS, threads[t]->used, file);
	if (!fclose(file))
		printf("written %llu\n", (unsigned long long)states);
}

/* search THREADS MEMORY SECONDS STATES DEPTH UNTIL FILE MOST; the initial states
 * come on standard input: their number, then their words. A complete search of at
 * most MOST states writes them to FILE, if that is not empty. */
int main(int argc, char **argv)
{
	pthread_t ids[MAX_THREADS];
	if (argc != 9)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, interrupted);
	signal(SIGPIPE, SIG_DFL);
	nthreads = atoi(argv[1]);
	if (nthreads < 1)
		nthreads = 1;
	if (nthreads > MAX_THREADS)
		nthreads = MAX_THREADS;
	memory_limit = strtoull(argv[2], NULL, 10);
	seconds_limit = atof(argv[3]);
	states_limit = strtoull(argv[4], NULL, 10);
	depth_limit = atoi(argv[5]);
	until_decided = atoi(argv[6]);
	started = now();

	read_all(&initials, sizeof initials);
	u64 *words = malloc(initials * WORDS * 8 + 8);
	if (!words)
		return 2;
	read_all(words, initials * WORDS * 8);
	initial = words;

	found = zeroed(model.events, sizeof *found);
	u64 room = state_room();
	for (int t = 0; t < nthreads; t++) {
		Thread *T = threads[t] = new_thread(t);
		T->room = room;
		while (!(T->states = reserve(T->room * 8 * WORDS)))
			if ((T->room /= 2) < 1 << 16)
				return 2;
	}
	u64 first = 8192 + (initials + 4 * nthreads * ROOM) / 4;
	memory_limit += first * 64 * 2 + (u64)nthreads * ROOM * 8 * (WORDS + 2);
	if (!new_table(first))
		return 2;

	Thread *T = threads[0];
	for (u64 i = 0; i < initials; i++) {
		Out *o = &T->out[0];
		u64 w[WORDS];
		o->n = 1;
		for (int k = 0; k < WORDS; k++)
			o->w[k][0] = initial[i * WORDS + k];
		canonical(o);
		gather(o, 0, w);
		o->n = 0;
		insert(T, w, hash_of(w));
	}
	T->reported = T->used;
	atomic_store(&stored, T->used);
	depth = -1;
	add_level();
	depth = 0;

	if (nthreads > 1)
		pthread_barrier_init(&gate, NULL, nthreads);
	for (int t = 1; t < nthreads; t++)
		if (pthread_create(&ids[t], NULL, worker, threads[t]))
			return 2;
	if (initials)
		search();
	progress(1);
	report();
	if (!atomic_load(&stop_flag))
		write_states(argv[7], strtoull(argv[8], NULL, 10));
	if (atomic_load(&asymmetric))
		printf("asymmetric 1\n");
	else
		traces();
	fflush(stdout);
	if (nthreads > 1)
		together(QUIT, 0);
	for (int t = 1; t < nthreads; t++)
		pthread_join(ids[t], NULL);
	return 0;
}
