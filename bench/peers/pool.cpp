// SPDX-License-Identifier: GPL-2.0-only
//
// bench/pool.py searched by a program written for it: what a careful C++
// programmer gets in an afternoon. States are 64 bits: the VMAs, sorted where
// symmetry is asked for, and sigbus; the counters follow from the VMAs and
// are not stored. No property is checked.
//
// pool B V P SYMMETRY
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

using u64 = std::uint64_t;
using i8 = signed char;

static int B, V, P, LIMIT;
static bool symmetry;

constexpr i8 NONE = 2;
enum { MAX_V = 5, MAX_P = 3 };

struct Vma {
	i8 length = 0, cgroup = 0, binding = NONE;  // length 0: not live
	i8 page[MAX_P] = { NONE, NONE, NONE };
};

struct State {
	Vma vma[MAX_V];
	bool sigbus = false;
	i8 free[2], usage[2], resv;

	void count()
	{
		free[0] = free[1] = B;
		usage[0] = usage[1] = resv = 0;
		for (int v = 0; v < V; v++) {
			usage[vma[v].cgroup] += vma[v].length;
			for (int p = 0; p < vma[v].length; p++) {
				if (vma[v].page[p] == NONE)
					resv++;
				else
					free[vma[v].page[p]]--;
			}
		}
	}
};

static u64 pack_vma(const Vma &a)
{
	if (!a.length)
		return 0;
	u64 bits = a.length | a.cgroup << 2 | a.binding << 3;
	for (int p = 0; p < MAX_P; p++)
		bits |= u64(p < a.length ? a.page[p] : NONE) << (5 + 2 * p);
	return bits;
}

static Vma unpack_vma(u64 bits)
{
	Vma a;
	if (!bits)
		return a;
	a.length = bits & 3;
	a.cgroup = bits >> 2 & 1;
	a.binding = bits >> 3 & 3;
	for (int p = 0; p < MAX_P; p++)
		a.page[p] = bits >> (5 + 2 * p) & 3;
	return a;
}

static u64 pack(const State &s, bool swap_nodes, bool swap_cgroups, bool sort)
{
	u64 part[MAX_V];
	for (int v = 0; v < V; v++) {
		Vma a = s.vma[v];
		if (swap_nodes) {
			if (a.binding != NONE)
				a.binding ^= 1;
			for (int p = 0; p < a.length; p++)
				if (a.page[p] != NONE)
					a.page[p] ^= 1;
		}
		if (swap_cgroups)
			a.cgroup ^= 1;
		part[v] = pack_vma(a);
	}
	if (sort)
		for (int v = 1; v < V; v++)
			for (int w = v; w > 0 && part[w] < part[w - 1]; w--)
				std::swap(part[w], part[w - 1]);
	u64 word = s.sigbus;
	for (int v = 0; v < V; v++)
		word |= part[v] << (1 + 11 * v);
	return word;
}

static u64 canonical(const State &s)
{
	if (!symmetry)
		return pack(s, false, false, false);
	u64 best = ~u64(0);
	for (int k = 0; k < 4; k++)
		best = std::min(best, pack(s, k & 1, k >> 1, true));
	return best;
}

static State unpack(u64 word)
{
	State s;
	s.sigbus = word & 1;
	for (int v = 0; v < V; v++)
		s.vma[v] = unpack_vma(word >> (1 + 11 * v) & 2047);
	s.count();
	return s;
}

class Set {
	std::vector<u64> slots;
	u64 mask, used = 0;

	static u64 hash(u64 x)
	{
		x ^= x >> 32;
		x *= 0xd6e8feb86659fd93u;
		return x ^ x >> 32;
	}

	void put(u64 key)
	{
		u64 i = hash(key) & mask;
		while (slots[i])
			i = (i + 1) & mask;
		slots[i] = key;
	}

public:
	Set() : slots(1 << 16), mask((1 << 16) - 1) {}

	bool insert(u64 key)
	{
		key += 1;
		u64 i = hash(key) & mask;
		while (slots[i]) {
			if (slots[i] == key)
				return false;
			i = (i + 1) & mask;
		}
		slots[i] = key;
		if (++used * 3 > slots.size() * 2) {
			std::vector<u64> old(slots.size() * 2);
			old.swap(slots);
			mask = slots.size() - 1;
			for (u64 key : old)
				if (key)
					put(key);
		}
		return true;
	}

	u64 size() const { return used; }
};

static Set visited;
static std::vector<u64> frontier, next_frontier;
static u64 transitions;

static void add(const State &s)
{
	transitions++;
	u64 word = canonical(s);
	if (visited.insert(word))
		next_frontier.push_back(word);
}

static void expand(u64 word)
{
	const State s = unpack(word);
	for (int v = 0; v < V; v++) {
		const Vma &a = s.vma[v];
		if (!a.length) {
			for (int length = 1; length <= P; length++) {
				if (s.free[0] + s.free[1] - s.resv < length)
					break;
				for (int c = 0; c < 2; c++) {
					if (s.usage[c] + length > LIMIT)
						continue;
					for (int b = 0; b <= NONE; b++) {
						State t = s;
						t.vma[v].length = length;
						t.vma[v].cgroup = c;
						t.vma[v].binding = b;
						add(t);
					}
				}
			}
			continue;
		}
		for (int p = 0; p < a.length; p++) {
			if (a.page[p] != NONE) {
				int n = a.page[p] ^ 1;
				if (s.free[n] > 0) {
					State t = s;
					t.vma[v].page[p] = n;
					add(t);
				}
				continue;
			}
			bool some = false;
			for (int n = 0; n < 2; n++)
				if ((a.binding == NONE || a.binding == n) && s.free[n] > 0) {
					State t = s;
					t.vma[v].page[p] = n;
					add(t);
					some = true;
				}
			if (!some) {
				State t = s;
				t.sigbus = true;
				add(t);
			}
		}
		{
			State t = s;
			t.vma[v] = Vma();
			add(t);
		}
		for (int w = 0; w < V; w++) {
			const Vma &b = s.vma[w];
			if (w == v)
				continue;
			if (!b.length) {
				for (int k = 1; k < a.length; k++) {
					State t = s;
					t.vma[w] = Vma();
					t.vma[w].cgroup = a.cgroup;
					t.vma[w].binding = a.binding;
					t.vma[w].length = a.length - k;
					for (int p = k; p < a.length; p++) {
						t.vma[w].page[p - k] = a.page[p];
						t.vma[v].page[p] = NONE;
					}
					t.vma[v].length = k;
					add(t);
				}
			} else if (a.cgroup == b.cgroup && a.binding == b.binding
				   && a.length + b.length <= P) {
				State t = s;
				for (int p = 0; p < b.length; p++)
					t.vma[v].page[a.length + p] = b.page[p];
				t.vma[v].length += b.length;
				t.vma[w] = Vma();
				add(t);
			}
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	B = atoi(argv[1]);
	V = atoi(argv[2]);
	P = atoi(argv[3]);
	symmetry = atoi(argv[4]);
	LIMIT = 2 * B - 1;
	auto start = std::chrono::steady_clock::now();
	u64 word = canonical(State());
	visited.insert(word);
	frontier.push_back(word);
	int depth = -1;
	while (!frontier.empty()) {
		depth++;
		for (u64 s : frontier)
			expand(s);
		frontier.swap(next_frontier);
		next_frontier.clear();
	}
	std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
	printf("states %llu transitions %llu depth %d seconds %.3f\n",
	       (unsigned long long)visited.size(), (unsigned long long)transitions,
	       depth, took.count());
	return 0;
}
