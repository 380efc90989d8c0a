// SPDX-License-Identifier: GPL-2.0-only
/*
 * agent - makes huge page calls, one per line, and reads the counters after
 * each of them.
 *
 * As PID 1 of a guest it talks over the first virtio-serial port; started as
 * an ordinary root process it talks over stdin and stdout, in a mount
 * namespace of its own.  One line in, one line out:
 *
 *	RESULT <tab> COUNTERS
 *
 * RESULT	ok [VALUE] | err ENAME | sig SIGNAME code N | killed SIGNAME |
 *		timeout | gone | usage TEXT | dirty WHAT...
 * COUNTERS	TOTAL/FREE/RSVD/SURP NR/FREE/SURPLUS (one per node)
 *		[cg:NAME=USAGE/RSVD]... [m:NAME=BLOCKS/FREE]...
 *		[g:NR/FREE/RSVD/SURP] as:KILOBYTES
 *
 * All counters are printed unsigned, exactly as the kernel reports them.
 * Answers are written when no complete line is left to read (and twice a
 * second), so a whole sequence sent in one write is answered in one round trip.
 *
 * Calls never run in the process that reads the lines.  `w P OP` runs in
 * worker P, everything else that changes state runs in a worker of its own,
 * the administrator.  A call that takes longer than the timeout has its
 * worker killed.
 *
 * The agent's own commands:
 *
 *	spawn P		a new process P, 0 to 15, without mappings or files
 *	w P OP...	OP in process P: process_ops below
 *	counters	nothing; its answer carries the counters, as every one
 *	reset		kill all processes, unmount, remove the cgroups, empty
 *			the pool; "dirty" with what is left: processes, mounts,
 *			cgroups, pages, corrupted (memory), gigantic (pages);
 *			warned, where the kernel has
 *	timeout MS	for every later call
 *	go P OP...	as w, without waiting for the end of OP
 *	join P MS	the result of that OP, or "busy" after so many milliseconds
 *	hello		what kernel this is
 *
 * The other commands are admin_ops below.  PG is a page number, 0 at BASE; N,
 * OFF, OLD, NEW and TO count huge pages, BYTE and BYTES do not; FD is one of
 * 16 slots of the process, -1 for none.  FLAGS are letters: P private, S
 * shared, A anonymous with MAP_HUGETLB, N noreserve, L populate, F fixed
 * (without it a mapping in the way is EEXIST).  MODE, ADVICE, PROT, MASK and
 * mremap's and mbind's FLAGS are the system call's numbers.  Files are in
 * /mnt/NAME/ of a mount NAME.
 *
 * `uffd FD PG N` registers pages with a new userfaultfd, for missing ones;
 * `ucopy FD PG` is its UFFDIO_COPY from memory that nobody has touched yet.
 * `uffdcopy PG N AT` does both for page AT, from memory that is there ("cold": from
 * memory that nobody has touched yet), and closes the userfaultfd.
 * `cpu K` has the process run on CPU K only.
 *
 * `poison NODE` is a memory error in a free page of the pool, one that no file has
 * and nobody maps.
 *
 * `gmmap K` maps a page of 1 GiB, which no child gets; `gmunmap K` unmaps it.
 *
 * `remote P PG` writes to a page of process P, by process_vm_writev().  movepage
 * moves a page that others map, too, with "all" only; EAGAIN says that it stayed
 * where it was.
 *
 * `fail N OP...` has the N-th allocation of OP fail, where the kernel was built
 * for that (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC).  OP's result follows, then
 * " @" and the functions that the allocation was in, the innermost first, or
 * " -" where OP has fewer allocations.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif

#define HPAGE		(2UL << 20)
#define BASE		0x100000000000UL	/* where page 0 is mapped */
#define GPAGE		(1UL << 30)
#define GBASE		0x200000000000UL	/* where page 0 of 1 GiB is mapped */
#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB	(30U << 26)
#endif
#define MNT		"/mnt/"			/* a tmpfs of the agent's own */
#define CGROUP		MNT ".cgroup"
#define POOL		"/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define GIGANTIC	"/sys/kernel/mm/hugepages/hugepages-1048576kB/"
#define NODE		"/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/%s"
#define PORT		"/dev/vport0p1"
#define TAINTED		"/proc/sys/kernel/tainted"
#define HARD_OFFLINE	"/sys/devices/system/memory/hard_offline_page"
#define DEBUGFS		"/sys/kernel/debug"
#define FAIL_NTH	"/proc/self/fail-nth"

enum {
	WORKERS = 16,
	ADMIN = WORKERS,	/* the administrator's channel */
	FDS = 16,
	NODES = 8,
	NAMES = 16,
	ARGS = 12,
	FRAMES = 40,		/* of a call trace */
	LINE = 512,
	RESULT = 8192,
	PAGES = 1 << 20,	/* a page number is below this */
};

/* A worker's mailbox, shared with the agent. */
struct channel {
	_Atomic int turn;
	pid_t pid;
	pid_t forked;		/* what `fork` made */
	char line[LINE];
	char result[RESULT];
};
enum { IDLE, CALLED, ANSWERED };

struct names {
	int n;
	char text[NAMES][32];
};

/* Shared by the agent and every worker. */
struct shared {
	struct channel channels[WORKERS + 1];
	struct names cgroups, mounts;	/* what exists, oldest first */
	int nodes;
	char base[64];			/* the directory our cgroups are in */
	char controllers[32];		/* empty: no cgroups here */
	bool remounted;			/* `cg opts` was used */
};

struct agent {
	struct shared *shared;
	int cgroups[NAMES][2];		/* open files, beside shared->cgroups */
	int meminfo, pool[NODES][3], gigantic[4], tainted_file;
	unsigned long tainted;		/* at the start, as the next four */
	unsigned long corrupted;	/* kilobytes with memory errors */
	int segment;			/* which every process has; -1: none */
	unsigned long nr[NODES], overcommit, gigantic_nr;
	char enabled[64];		/* controllers we had to enable */
	int timeout;		/* of a call, in milliseconds */
	int in, out;
	bool init;
	size_t queued;
	double flushed;
	char output[1 << 16];
};

struct call {
	struct shared *shared;
	struct channel *me;
	int argc;
	char *argv[ARGS];
	int *fds;
};

static sigjmp_buf fault_return;
static volatile sig_atomic_t fault_signal, fault_code;

/* ---------------------------------------------------------------- results */

__attribute__((format(printf, 2, 3)))
static void answer(struct call *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->me->result, RESULT, format, args);
	va_end(args);
}

static void fail(struct call *c, int error)
{
	const char *name = strerrorname_np(error);

	answer(c, "err %s", name ? name : "EUNKNOWN");
}

static void status(struct call *c, long returned)
{
	if (returned < 0)
		fail(c, errno);
	else
		answer(c, "ok");
}

/* The i-th argument as a number, fallback where there are not so many. */
static long number(const struct call *c, int i, long fallback)
{
	return i < c->argc ? strtol(c->argv[i], NULL, 0) : fallback;
}

static char *page(long n)
{
	return (char *)BASE + n * (long)HPAGE;
}

/* ------------------------------------------------------------------ files */

static long read_text(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got;

	text[0] = 0;
	if (fd < 0)
		return -1;
	while (have < room - 1 &&
	       (got = read(fd, text + have, room - 1 - have)) > 0)
		have += got;
	close(fd);
	text[have] = 0;
	return have;
}

static long write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long wrote;
	int error;

	if (fd < 0)
		return -1;
	wrote = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return wrote;
}

static unsigned long read_counter(int fd)
{
	char text[32];
	ssize_t got = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (got <= 0)
		return 0;
	text[got] = 0;
	return strtoul(text, NULL, 10);
}

/* Names become parts of paths below MNT or the cgroup root: nothing above. */
static bool confined(const char *name)
{
	return name[0] && name[0] != '/' && !strstr(name, "..") &&
	       strlen(name) < sizeof(((struct names *)0)->text[0]);
}

/* -------------------------------------------------- what a process can do */

static bool has(const char *letters, char letter)
{
	return strchr(letters, letter) != NULL;
}

static int descriptor(const struct call *c, int i)
{
	long slot = number(c, i, -1);

	return slot >= 0 && slot < FDS ? c->fds[slot] : -1;
}

/* Keeps a new descriptor in slot i; what was there is closed. */
static void keep(struct call *c, int i, int fd)
{
	long slot = number(c, i, -1);

	if (fd < 0) {
		fail(c, errno);
	} else if (slot < 0 || slot >= FDS) {
		close(fd);
		fail(c, EBADF);
	} else {
		if (c->fds[slot] >= 0)
			close(c->fds[slot]);
		c->fds[slot] = fd;
		answer(c, "ok");
	}
}

static void op_mmap(struct call *c)
{
	const char *letters = c->argv[3];
	int flags = has(letters, 'F') ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	void *at;

	flags |= has(letters, 'S') ? MAP_SHARED : MAP_PRIVATE;
	if (has(letters, 'A'))
		flags |= MAP_ANONYMOUS | MAP_HUGETLB;
	if (has(letters, 'N'))
		flags |= MAP_NORESERVE;
	if (has(letters, 'L'))
		flags |= MAP_POPULATE;
	at = mmap(page(number(c, 1, 0)), number(c, 2, 0) * HPAGE,
		  number(c, 6, PROT_READ | PROT_WRITE), flags,
		  descriptor(c, 4), number(c, 5, 0) * (long)HPAGE);
	status(c, at == MAP_FAILED ? -1 : 0);
}

static void op_read(struct call *c)
{
	unsigned long value = *(volatile unsigned long *)page(number(c, 1, 0));

	answer(c, "ok %lu", value);
}

static void op_write(struct call *c)
{
	unsigned long value = number(c, 2, 0);

	*(volatile unsigned long *)page(number(c, 1, 0)) = value;
	answer(c, "ok %lu", value);
}

static void op_munmap(struct call *c)
{
	status(c, munmap(page(number(c, 1, 0)), number(c, 2, 0) * HPAGE));
}

static void op_munmapb(struct call *c)
{
	status(c, munmap(page(0) + number(c, 1, 0), number(c, 2, 0)));
}

static void op_gmmap(struct call *c)
{
	char *at = (char *)GBASE + number(c, 1, 0) * (long)GPAGE;

	if (mmap(at, GPAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB |
		 MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		fail(c, errno);
	else
		status(c, madvise(at, GPAGE, MADV_DONTFORK));
}

static void op_gmunmap(struct call *c)
{
	status(c, munmap((char *)GBASE + number(c, 1, 0) * (long)GPAGE, GPAGE));
}

static void op_mprotect(struct call *c)
{
	status(c, mprotect(page(number(c, 1, 0)), number(c, 2, 0) * HPAGE,
			   number(c, 3, 0)));
}

static void op_mprotectb(struct call *c)
{
	status(c, mprotect(page(0) + number(c, 1, 0), number(c, 2, 0),
			   number(c, 3, 0)));
}

static void op_mremap(struct call *c)
{
	char *at = mremap(page(number(c, 1, 0)), number(c, 2, 0) * HPAGE,
			  number(c, 3, 0) * HPAGE, number(c, 4, 0),
			  page(number(c, 5, 0)));

	if (at == MAP_FAILED)
		fail(c, errno);
	else
		answer(c, "ok %ld", (at - page(0)) / (long)HPAGE);
}

static void op_madv(struct call *c)
{
	status(c, madvise(page(number(c, 1, 0)), number(c, 2, 0) * HPAGE,
			  number(c, 3, 0)));
}

static void op_falloc(struct call *c)
{
	status(c, fallocate(descriptor(c, 1), number(c, 2, 0),
			    number(c, 3, 0) * (long)HPAGE,
			    number(c, 4, 0) * (long)HPAGE));
}

static void op_trunc(struct call *c)
{
	status(c, ftruncate(descriptor(c, 1), number(c, 2, 0) * (long)HPAGE));
}

static void op_open(struct call *c)
{
	bool readonly = c->argc > 3 && !strcmp(c->argv[3], "ro");

	if (strncmp(c->argv[2], MNT, strlen(MNT)) || strstr(c->argv[2], ".."))
		fail(c, EACCES);
	else
		keep(c, 1, open(c->argv[2], readonly ? O_RDONLY | O_CLOEXEC :
				O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static void op_memfd(struct call *c)
{
	keep(c, 1, memfd_create("agent", MFD_HUGETLB | MFD_CLOEXEC));
}

static void op_close(struct call *c)
{
	int fd = descriptor(c, 1);

	status(c, close(fd));
	if (fd >= 0)
		c->fds[number(c, 1, 0)] = -1;
}

static void op_unlink(struct call *c)
{
	if (strncmp(c->argv[1], MNT, strlen(MNT)) || strstr(c->argv[1], ".."))
		fail(c, EACCES);
	else
		status(c, unlink(c->argv[1]));
}

static void op_fstat(struct call *c)
{
	struct stat s;

	if (fstat(descriptor(c, 1), &s))
		fail(c, errno);
	else
		answer(c, "ok size=%lu blocks=%lu",
		       (unsigned long)s.st_size / HPAGE,
		       (unsigned long)s.st_blocks * 512 / HPAGE);
}

static void op_statfs(struct call *c)
{
	struct statfs s;

	if (fstatfs(descriptor(c, 1), &s))
		fail(c, errno);
	else
		answer(c, "ok blocks=%ld free=%ld avail=%ld", (long)s.f_blocks,
		       (long)s.f_bfree, (long)s.f_bavail);
}

static void op_mbind(struct call *c)
{
	unsigned long mask = number(c, 4, 0);

	status(c, syscall(SYS_mbind, page(number(c, 1, 0)),
			  number(c, 2, 0) * HPAGE, number(c, 3, 0),
			  mask ? &mask : NULL, 64UL, number(c, 5, 0)));
}

static void op_setpol(struct call *c)
{
	unsigned long mask = number(c, 2, 0);

	status(c, syscall(SYS_set_mempolicy, number(c, 1, 0),
			  mask ? &mask : NULL, 64UL));
}

/* The node of a present page: never faults one in. */
static void op_numa(struct call *c)
{
	void *at = page(number(c, 1, 0));
	int node = 0;

	if (syscall(SYS_move_pages, 0, 1UL, &at, NULL, &node, 0))
		fail(c, errno);
	else if (node < 0)
		fail(c, -node);
	else
		answer(c, "ok %d", node);
}

static void op_movepage(struct call *c)
{
	void *at = page(number(c, 1, 0));
	int node = number(c, 2, 0), got = 0;
	long stayed = syscall(SYS_move_pages, 0, 1UL, &at, &node, &got,
			      c->argc > 3 ? MPOL_MF_MOVE_ALL : MPOL_MF_MOVE);

	if (stayed)
		fail(c, stayed < 0 ? errno : EAGAIN);
	else if (got < 0)
		fail(c, -got);
	else
		answer(c, "ok %d", got);
}

static void op_remote(struct call *c)
{
	unsigned long p = number(c, 1, -1), value = 1;
	struct iovec from = { &value, sizeof(value) };
	struct iovec to = { page(number(c, 2, 0)), sizeof(value) };

	if (p >= WORKERS || !c->shared->channels[p].pid)
		fail(c, ESRCH);
	else
		status(c, process_vm_writev(c->shared->channels[p].pid,
					    &from, 1, &to, 1, 0));
}

/* The VMAs of the range we map in, as START+LENGTH:PERMS@OFFSET in pages. */
static void op_maps(struct call *c)
{
	static char text[1 << 16];
	size_t used = 0;
	char *save = NULL;

	read_text("/proc/self/maps", text, sizeof(text));
	used += snprintf(c->me->result, RESULT, "ok");
	for (char *l = strtok_r(text, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		unsigned long from, to, offset;
		char perms[5];

		if (sscanf(l, "%lx-%lx %4s %lx", &from, &to, perms,
			   &offset) != 4)
			continue;
		if (from < BASE || to > BASE + PAGES * HPAGE || used > RESULT - 80)
			continue;
		used += snprintf(c->me->result + used, RESULT - used,
				 " %lu+%lu:%s@%lu", (from - BASE) / HPAGE,
				 (to - from) / HPAGE, perms, offset / HPAGE);
	}
}

/* The frame behind each page; x = mapped nowhere else, - = not present. */
static void op_pmap(struct call *c)
{
	long from = number(c, 1, 0), length = number(c, 2, 1);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t used = snprintf(c->me->result, RESULT, "ok");

	for (long i = from; i < from + length && used < RESULT - 40; i++) {
		unsigned long entry = 0;
		off_t at = ((unsigned long)page(i) >> 12) * sizeof(entry);

		if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry))
			entry = 0;
		if (entry >> 63)
			used += snprintf(c->me->result + used, RESULT - used,
					 " %lx%s", (entry & ((1UL << 55) - 1)) >> 9,
					 entry >> 56 & 1 ? "x" : "");
		else
			used += snprintf(c->me->result + used, RESULT - used,
					 " -");
	}
	close(fd);
}

static void op_cpu(struct call *c)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number(c, 1, 0), &set);
	status(c, sched_setaffinity(0, sizeof(set), &set));
}

/* A new userfaultfd for missing pages of a range; -1. */
static int watch_missing(char *start, unsigned long length)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register all = {
		.range.start = (unsigned long)start,
		.range.len = length,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), error;

	if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) ||
			ioctl(fd, UFFDIO_REGISTER, &all))) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* UFFDIO_COPY of a page from new memory, which is touched first if not `cold`. */
static long fill_page(int fd, char *at, bool cold)
{
	char *source = mmap(NULL, HPAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_copy copy = {
		.dst = (unsigned long)at,
		.src = (unsigned long)source,
		.len = HPAGE,
	};
	long returned;
	int error;

	if (!cold)
		memset(source, 1, HPAGE);
	returned = ioctl(fd, UFFDIO_COPY, &copy);
	error = errno;
	munmap(source, HPAGE);
	errno = error;
	return returned;
}

static void op_uffd(struct call *c)
{
	keep(c, 1, watch_missing(page(number(c, 2, 0)), number(c, 3, 0) * HPAGE));
}

static void op_ucopy(struct call *c)
{
	status(c, fill_page(descriptor(c, 1), page(number(c, 2, 0)), true));
}

static void op_uffdcopy(struct call *c)
{
	bool cold = c->argc > 4 && !strcmp(c->argv[4], "cold");
	int fd = watch_missing(page(number(c, 1, 0)), number(c, 2, 0) * HPAGE);

	if (fd < 0) {
		fail(c, errno);
		return;
	}
	status(c, fill_page(fd, page(number(c, 3, 0)), cold));
	close(fd);
}

static void op_exit(struct call *c)
{
	(void)c;
	_exit(0);
}

static void serve(struct shared *shared, int which, int *fds);

/* A child with a channel of its own.  CLONE_PARENT: the agent reaps it. */
static void op_fork(struct call *c)
{
	int which = number(c, 1, 0);	/* the line is the agent's after the answer */
	pid_t pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(c->shared, which, c->fds);
	}
	c->me->forked = pid;
	status(c, pid);
}

/* ------------------------------------------- what the administrator can do */

static void op_nr(struct call *c)
{
	status(c, write_text(POOL "nr_hugepages", c->argv[1]));
}

static void op_nrnode(struct call *c)
{
	char path[128];

	snprintf(path, sizeof(path), NODE, (int)number(c, 1, 0),
		 "nr_hugepages");
	status(c, write_text(path, c->argv[2]));
}

static void op_oc(struct call *c)
{
	status(c, write_text(POOL "nr_overcommit_hugepages", c->argv[1]));
}

/* Splits N free pages of 1 GiB into pages of the pool's size. */
static void op_demote(struct call *c)
{
	char path[128];

	if (c->argc > 2)
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d"
			 "/hugepages/hugepages-1048576kB/demote",
			 (int)number(c, 2, 0));
	else
		snprintf(path, sizeof(path), GIGANTIC "demote");
	status(c, write_text(path, c->argv[1]));
}

/* A word of /proc/kpageflags or /proc/kpagecount for a page frame. */
static unsigned long frame_word(int fd, unsigned long pfn)
{
	unsigned long word = 0;

	if (pread(fd, &word, sizeof(word), pfn * sizeof(word)) != sizeof(word))
		return 0;
	return word;
}

/* The first huge page of a range of frames that is whole and that nobody maps; 0. */
static unsigned long unmapped_huge_page(unsigned long pfn, unsigned long end)
{
	enum { HEAD = 15, HUGE = 17, HWPOISON = 19 };	/* include/uapi: KPF_ */
	int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	int count = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	unsigned long found = 0, step = HPAGE >> 12;

	for (pfn = (pfn + step - 1) / step * step; !found && pfn < end; pfn += step) {
		unsigned long word = frame_word(flags, pfn);

		if (word >> HEAD & word >> HUGE & ~(word >> HWPOISON) & 1 &&
		    frame_word(count, pfn) == 0)
			found = pfn;
	}
	close(flags);
	close(count);
	return found;
}

static void op_poison(struct call *c)
{
	static char text[1 << 16];
	unsigned long start, spanned = 0, pfn = 0;
	char *save = NULL, address[32];
	int node = -1;

	read_text("/proc/zoneinfo", text, sizeof(text));
	for (char *l = strtok_r(text, "\n", &save); l && !pfn;
	     l = strtok_r(NULL, "\n", &save)) {
		sscanf(l, "Node %d, zone", &node);
		sscanf(l, " spanned %lu", &spanned);
		if (sscanf(l, " start_pfn: %lu", &start) == 1 &&
		    node == number(c, 1, 0))
			pfn = unmapped_huge_page(start, start + spanned);
	}
	if (!pfn) {
		fail(c, ENOENT);
		return;
	}
	snprintf(address, sizeof(address), "%#lx", pfn << 12);
	status(c, write_text(HARD_OFFLINE, address));
}

static void op_mount(struct call *c)
{
	char path[64];

	if (!confined(c->argv[1])) {
		fail(c, EINVAL);
		return;
	}
	snprintf(path, sizeof(path), MNT "%s", c->argv[1]);
	if (mkdir(path, 0700)) {
		fail(c, errno);
	} else if (mount("none", path, "hugetlbfs", 0,
			 c->argc > 2 ? c->argv[2] : NULL)) {
		fail(c, errno);
		rmdir(path);
	} else {
		answer(c, "ok");
	}
}

static void op_umount(struct call *c)
{
	char path[64];

	snprintf(path, sizeof(path), MNT "%s", c->argv[1]);
	if (!confined(c->argv[1]))
		fail(c, EINVAL);
	else if (umount2(path, 0))
		fail(c, errno);
	else
		status(c, rmdir(path));
}

/* cg mk|rm A, cg set A FILE VALUE, cg get A FILE, cg attach A P (A may be
 * "." for the root), cg opts OPTIONS (of the cgroup2 mount; "-" for none) */
static void op_cg(struct call *c)
{
	const char *verb = c->argv[1], *name = c->argv[2];
	const char *file = c->argc > 3 ? c->argv[3] : "";
	char path[256];
	size_t length;

	if (!c->shared->controllers[0]) {
		fail(c, EOPNOTSUPP);
		return;
	}
	if (!strcmp(verb, "opts")) {
		c->shared->remounted = true;
		status(c, mount("none", CGROUP, "cgroup2", MS_REMOUNT,
				strcmp(name, "-") ? name : NULL));
		return;
	}
	if (!confined(name) || strchr(file, '/')) {
		fail(c, EINVAL);
		return;
	}
	length = snprintf(path, sizeof(path), "%s/%s", c->shared->base, name);
	if (!strcmp(verb, "mk")) {
		status(c, mkdir(path, 0700));
	} else if (!strcmp(verb, "rm")) {
		status(c, rmdir(path));
	} else if (!strcmp(verb, "set") && c->argc == 5) {
		snprintf(path + length, sizeof(path) - length, "/%s", file);
		status(c, write_text(path, c->argv[4]));
	} else if (!strcmp(verb, "get") && c->argc == 4) {
		char text[RESULT - 8];

		snprintf(path + length, sizeof(path) - length, "/%s", file);
		if (read_text(path, text, sizeof(text)) < 0) {
			fail(c, errno);
			return;
		}
		for (char *s = text; *s; s++)
			if (*s == '\n' || *s == '\t')
				*s = s[1] ? ' ' : 0;
		answer(c, "ok %s", text);
	} else if (!strcmp(verb, "attach") && c->argc == 4) {
		unsigned long p = number(c, 3, 0);
		char pid[16];

		if (p >= WORKERS || !c->shared->channels[p].pid) {
			fail(c, ESRCH);
			return;
		}
		snprintf(pid, sizeof(pid), "%d", c->shared->channels[p].pid);
		snprintf(path, sizeof(path), "%s/%s/cgroup.procs",
			 strcmp(name, ".") ? c->shared->base : CGROUP, name);
		status(c, write_text(path, pid));
	} else {
		answer(c, "usage cg mk|rm A, set A FILE VALUE, get A FILE, "
		       "attach A P, opts OPTIONS");
	}
}

/* A program of the guest's /programs: its exit status and what it printed, with
 * a unit separator (037) for each end of line. */
static void op_run(struct call *c)
{
	char path[64], *text = c->me->result;
	int ends[2], status = 0;
	size_t used;
	ssize_t got;
	pid_t pid;

	if (!confined(c->argv[1]) || strchr(c->argv[1], '/') ||
	    pipe2(ends, O_CLOEXEC)) {
		fail(c, EINVAL);
		return;
	}
	snprintf(path, sizeof(path), "/programs/%s", c->argv[1]);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execl(path, path, NULL);
		_exit(127);
	}
	close(ends[1]);
	used = sprintf(text, "ok 000 ");
	while (used < RESULT - 1 &&
	       (got = read(ends[0], text + used, RESULT - 1 - used)) > 0)
		used += got;
	close(ends[0]);
	waitpid(pid, &status, 0);
	text[used] = 0;
	for (char *s = text; *s; s++)
		if (*s == '\n' || *s == '\t')
			*s = *s == '\n' ? '\037' : ' ';
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
	text[3] = '0' + status / 100;
	text[4] = '0' + status / 10 % 10;
	text[5] = '0' + status % 10;
}

/* Retried while what was killed is still going away. */
static void persist(int (*remove)(const char *), const char *path)
{
	for (int i = 0; i < 2000 && remove(path) && errno == EBUSY; i++)
		usleep(500);
}

static unsigned long pool_counter(const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), POOL "%s", name);
	read_text(path, text, sizeof(text));
	return strtoul(text, NULL, 10);
}

/* A file may go a little after its last process (fs/file_table.c:delayed_fput), and
 * its pages with it.  Those that have leaked stay. */
static void await_pages(void)
{
	for (int i = 0; i < 100; i++) {
		if (pool_counter("nr_hugepages") == pool_counter("free_hugepages") &&
		    pool_counter("resv_hugepages") == 0)
			return;
		usleep(1000);
	}
}

/* No mounts, no cgroups, the pool at zero.  Where that is reached, a page comes
 * and goes on the last node: there both round-robin cursors stay. */
static void op_empty(struct call *c)
{
	struct shared *shared = c->shared;
	char path[128];

	for (int i = shared->mounts.n - 1; i >= 0; i--) {
		snprintf(path, sizeof(path), MNT "%s", shared->mounts.text[i]);
		persist(umount, path);
		rmdir(path);
	}
	for (int i = shared->cgroups.n - 1; i >= 0; i--) {
		snprintf(path, sizeof(path), "%s/%s", shared->base,
			 shared->cgroups.text[i]);
		persist(rmdir, path);
	}
	if (shared->remounted)
		shared->remounted = mount("none", CGROUP, "cgroup2",
					  MS_REMOUNT, NULL) != 0;
	await_pages();
	write_text(POOL "nr_overcommit_hugepages", "0");
	for (int n = 0; n < shared->nodes; n++) {
		snprintf(path, sizeof(path), NODE, n, "nr_hugepages");
		write_text(path, "0");
	}
	if (pool_counter("nr_hugepages") == 0) {
		write_text(path, "1");
		write_text(path, "0");
	}
	answer(c, "ok");
}

/* ---------------------------------------------------------------- workers */

struct op {
	const char *name;
	int least, most;	/* arguments */
	void (*run)(struct call *c);
	const char *usage;
};

static void op_fail(struct call *c);

static const struct op process_ops[] = {
	{ "mmap", 5, 6, op_mmap, "mmap PG N FLAGS FD OFF [PROT]" },
	{ "r", 1, 1, op_read, "r PG" },
	{ "w", 2, 2, op_write, "w PG VALUE" },
	{ "munmap", 2, 2, op_munmap, "munmap PG N" },
	{ "munmapb", 2, 2, op_munmapb, "munmapb BYTE BYTES" },
	{ "mprotect", 3, 3, op_mprotect, "mprotect PG N PROT" },
	{ "mprotectb", 3, 3, op_mprotectb, "mprotectb BYTE BYTES PROT" },
	{ "mremap", 5, 5, op_mremap, "mremap PG OLD NEW FLAGS TO" },
	{ "madv", 3, 3, op_madv, "madv PG N ADVICE" },
	{ "falloc", 4, 4, op_falloc, "falloc FD MODE OFF N" },
	{ "trunc", 2, 2, op_trunc, "trunc FD N" },
	{ "open", 2, 3, op_open, "open FD PATH [ro]" },
	{ "memfd", 1, 1, op_memfd, "memfd FD" },
	{ "close", 1, 1, op_close, "close FD" },
	{ "unlink", 1, 1, op_unlink, "unlink PATH" },
	{ "fstat", 1, 1, op_fstat, "fstat FD" },
	{ "statfs", 1, 1, op_statfs, "statfs FD" },
	{ "mbind", 5, 5, op_mbind, "mbind PG N MODE MASK FLAGS" },
	{ "setpol", 2, 2, op_setpol, "setpol MODE MASK" },
	{ "numa", 1, 1, op_numa, "numa PG" },
	{ "movepage", 2, 3, op_movepage, "movepage PG NODE [all]" },
	{ "gmmap", 1, 1, op_gmmap, "gmmap K" },
	{ "gmunmap", 1, 1, op_gmunmap, "gmunmap K" },
	{ "remote", 2, 2, op_remote, "remote P PG" },
	{ "maps", 0, 0, op_maps, "maps" },
	{ "pmap", 1, 2, op_pmap, "pmap PG [N]" },
	{ "fork", 1, 1, op_fork, "fork P" },
	{ "exit", 0, 0, op_exit, "exit" },
	{ "cpu", 1, 1, op_cpu, "cpu K" },
	{ "uffd", 3, 3, op_uffd, "uffd FD PG N" },
	{ "ucopy", 2, 2, op_ucopy, "ucopy FD PG" },
	{ "uffdcopy", 3, 4, op_uffdcopy, "uffdcopy PG N AT [cold]" },
	{ "fail", 2, ARGS, op_fail, "fail N OP..." },
	{ NULL, 0, 0, NULL, NULL },
};

static const struct op admin_ops[] = {
	{ "nr", 1, 1, op_nr, "nr N" },
	{ "nrnode", 2, 2, op_nrnode, "nrnode NODE N" },
	{ "oc", 1, 1, op_oc, "oc N" },
	{ "demote", 1, 2, op_demote, "demote N [NODE]" },
	{ "poison", 1, 1, op_poison, "poison NODE" },
	{ "mount", 1, 2, op_mount, "mount NAME [OPTIONS]" },
	{ "umount", 1, 1, op_umount, "umount NAME" },
	{ "cg", 2, 4, op_cg, "cg mk|rm|set|get|attach|opts ..." },
	{ "empty", 0, 0, op_empty, "empty" },
	{ "run", 1, 1, op_run, "run NAME" },
	{ NULL, 0, 0, NULL, NULL },
};

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	fault_signal = sig;
	fault_code = info->si_code;
	siglongjmp(fault_return, 1);
}

static void futex(_Atomic int *word, int op, int value,
		  const struct timespec *timeout)
{
	syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

/* Runs one call; a signal it raises is its result. */
static void guarded(struct call *c, void (*run)(struct call *c))
{
	if (sigsetjmp(fault_return, 1) == 0)
		run(c);
	else
		answer(c, "sig SIG%s code %d", sigabbrev_np(fault_signal),
		       (int)fault_code);
}

static void run(struct call *c, const struct op *o)
{
	int args = c->argc - 1;

	while (o->name && strcmp(o->name, c->argv[0]))
		o++;
	if (!o->name)
		answer(c, "usage no command %s", c->argv[0]);
	else if (args < o->least || args > o->most)
		answer(c, "usage %s", o->usage);
	else
		guarded(c, o->run);
}

/* The functions of the call traces that are new in the kernel's log. */
static void read_trace(int log, char *text, size_t room)
{
	char record[1024], name[128];
	size_t used = 0;
	int frames = 0;
	ssize_t got;

	while ((got = read(log, record, sizeof(record) - 1)) > 0) {
		char *at;

		record[got] = 0;
		at = strchr(record, ';');
		if (!at || frames == FRAMES || strlen(at) > sizeof(name) ||
		    sscanf(at + 1, " %127[^+ \n]+0x", name) != 1 ||
		    !strstr(at, "+0x") || strstr(at, " ? ") ||
		    strchr(name, ':') || used + strlen(name) + 2 > room)
			continue;
		used += sprintf(text + used, " %s", name);
		frames++;
	}
}

/* One call of which the N-th allocation fails. */
static void op_fail(struct call *c)
{
	static char trace[RESULT / 2];
	int nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char left[16] = "";
	size_t used;
	long n = number(c, 1, 0);

	if (nth < 0 || log < 0) {
		fail(c, errno);
		close(nth);
		close(log);
		return;
	}
	lseek(log, 0, SEEK_END);
	trace[0] = 0;
	c->argc -= 2;
	memmove(c->argv, c->argv + 2, c->argc * sizeof(c->argv[0]));
	dprintf(nth, "%ld", n);
	run(c, process_ops);
	if (pread(nth, left, sizeof(left) - 1, 0) < 0)
		left[0] = 0;
	if (atol(left) > 0)
		dprintf(nth, "0");
	else
		read_trace(log, trace, sizeof(trace));
	close(nth);
	close(log);
	used = strlen(c->me->result);
	snprintf(c->me->result + used, RESULT - used, atol(left) > 0 ? " -" :
		 " @%s", trace);
}

static int split(char *line, char **argv)
{
	int argc = 0;
	char *save = NULL;

	for (char *word = strtok_r(line, " ", &save); word && argc < ARGS;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return argc;
}

/* A worker's life: wait for a line, run it, answer. */
__attribute__((noreturn))
static void serve(struct shared *shared, int which, int *fds)
{
	struct call c = { .shared = shared, .fds = fds,
			  .me = &shared->channels[which] };
	_Atomic int *turn = &c.me->turn;

	for (;;) {
		int now;

		while ((now = atomic_load(turn)) != CALLED)
			futex(turn, FUTEX_WAIT, now, NULL);
		c.argc = split(c.me->line, c.argv);
		if (c.argc)
			run(&c, which == ADMIN ? admin_ops : process_ops);
		else
			answer(&c, "usage empty line");
		atomic_store(turn, ANSWERED);
		futex(turn, FUTEX_WAKE, 1, NULL);
	}
}

__attribute__((noreturn))
static void work(struct shared *shared, int which)
{
	struct sigaction fault = { .sa_sigaction = on_fault,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static char stack[1 << 15];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	int fds[FDS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaltstack(&alternate, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	serve(shared, which, fds);
}

/* -------------------------------------------------------------- the agent */

static bool start(struct agent *a, int which)
{
	struct channel *ch = &a->shared->channels[which];

	pid_t pid;

	ch->turn = IDLE;
	pid = fork();
	if (pid == 0)
		work(a->shared, which);
	ch->pid = pid > 0 ? pid : 0;
	return pid > 0;
}

/* A process may be gone before its memory, which a reader of its page tables has
 * for a moment, too (fs/proc/task_mmu.c, mm/vmscan.c): the pages come back with
 * the last of them.  Waits for as many processes with our segment as there are. */
static void await_memory(struct agent *a)
{
	unsigned long live = 1;
	struct shmid_ds s;

	for (int i = 0; i <= WORKERS; i++)
		live += a->shared->channels[i].pid != 0;
	for (int i = 0; i < 2000 && a->segment >= 0; i++) {
		if (shmctl(a->segment, IPC_STAT, &s) || s.shm_nattch <= live)
			return;
		usleep(1000);
	}
}

/* True where the process is gone; its wait status in *status. */
static bool reap(struct agent *a, struct channel *ch, int milliseconds, int *status)
{
	struct timespec slice = { .tv_nsec = 20000000 };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (int waited = 0;; waited += 20) {
		pid_t got = waitpid(ch->pid, status, WNOHANG);

		if (got == ch->pid || (got < 0 && errno == ECHILD)) {
			ch->pid = 0;
			await_memory(a);
			return true;
		}
		if (waited >= milliseconds)
			return false;
		sigtimedwait(&child, NULL, &slice);
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void flush(struct agent *a)
{
	for (size_t done = 0; done < a->queued;) {
		ssize_t wrote = write(a->out, a->output + done,
				      a->queued - done);

		if (wrote > 0)
			done += wrote;
		else if (!a->init)
			return;
		else
			usleep(1000);
	}
	a->queued = 0;
	a->flushed = now();
}

/* Has a worker begin with a line. */
static bool post(struct channel *ch, const char *line, char *result)
{
	if (!ch->pid || atomic_load(&ch->turn) == CALLED) {
		strcpy(result, ch->pid ? "busy" : "gone");
		return false;
	}
	strcpy(ch->line, line);
	atomic_store(&ch->turn, CALLED);
	futex(&ch->turn, FUTEX_WAKE, 1, NULL);
	return true;
}

/* Copies what a worker answers to result; false where it does not in time. */
static bool await(struct agent *a, struct channel *ch, int timeout, char *result)
{
	struct timespec slice = { .tv_nsec = 20000000 };
	int status = 0;

	for (int waited = 0; waited < timeout; waited += 20) {
		futex(&ch->turn, FUTEX_WAIT, CALLED, &slice);
		if (atomic_load(&ch->turn) == ANSWERED) {
			strcpy(result, ch->result);
			return true;
		}
		if (reap(a, ch, 0, &status)) {
			sprintf(result, "killed SIG%s", WIFSIGNALED(status) ?
				sigabbrev_np(WTERMSIG(status)) : "0");
			return true;
		}
		flush(a);	/* it may never answer */
	}
	return false;
}

/* Has a worker run a line; copies what it answered to result. */
static void call(struct agent *a, int which, const char *line, int timeout,
		 char *result)
{
	struct channel *ch = &a->shared->channels[which];
	int status = 0;

	if (!post(ch, line, result))
		return;
	if (!strcmp(line, "exit")) {
		if (reap(a, ch, timeout, &status)) {
			strcpy(result, "ok");
			return;
		}
	} else if (await(a, ch, timeout, result)) {
		return;
	}
	kill(ch->pid, SIGKILL);
	strcpy(result, "timeout");
	reap(a, ch, 2000, &status);
}

/* go P OP..., join P MS: a call's beginning and its end apart. */
static void apart(struct agent *a, const char *line, char *result)
{
	bool begins = !strncmp(line, "go ", 3);
	char *rest;
	unsigned long p = strtoul(line + (begins ? 3 : 5), &rest, 10);
	struct channel *ch = &a->shared->channels[p];

	if (p >= WORKERS)
		strcpy(result, "usage go P OP, join P MS");
	else if (begins && post(ch, rest + strspn(rest, " "), result))
		strcpy(result, "ok");
	else if (!begins && !ch->pid)
		strcpy(result, "gone");
	else if (!begins && !await(a, ch, strtol(rest, NULL, 10), result))
		strcpy(result, "busy");
}

static unsigned long field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

/* /proc/meminfo; it has room for 4096 characters. */
static void read_meminfo(const struct agent *a, char *text)
{
	ssize_t got = pread(a->meminfo, text, 4095, 0);

	text[got > 0 ? got : 0] = 0;
}

static void counters(struct agent *a, char *at)
{
	struct shared *shared = a->shared;
	char text[4096], path[64], *pool;

	read_meminfo(a, text);
	pool = strstr(text, "HugePages_Total:");
	pool = pool ? pool : text;
	at += sprintf(at, "%lu/%lu/%lu/%lu", field(pool, "HugePages_Total:"),
		      field(pool, "HugePages_Free:"),
		      field(pool, "HugePages_Rsvd:"),
		      field(pool, "HugePages_Surp:"));
	for (int n = 0; n < shared->nodes; n++)
		at += sprintf(at, " %lu/%lu/%lu", read_counter(a->pool[n][0]),
			      read_counter(a->pool[n][1]),
			      read_counter(a->pool[n][2]));
	for (int i = 0; i < shared->cgroups.n; i++)
		at += sprintf(at, " cg:%s=%lu/%lu", shared->cgroups.text[i],
			      read_counter(a->cgroups[i][0]) / HPAGE,
			      read_counter(a->cgroups[i][1]) / HPAGE);
	for (int i = 0; i < shared->mounts.n; i++) {
		struct statfs s = { 0 };

		sprintf(path, MNT "%s", shared->mounts.text[i]);
		statfs(path, &s);
		at += sprintf(at, " m:%s=%lu/%lu", shared->mounts.text[i],
			      s.f_blocks, s.f_bfree);
	}
	if (a->gigantic_nr)
		at += sprintf(at, " g:%lu/%lu/%lu/%lu",
			      read_counter(a->gigantic[0]),
			      read_counter(a->gigantic[1]),
			      read_counter(a->gigantic[3]),
			      read_counter(a->gigantic[2]));
	sprintf(at, " as:%lu", field(text, "Committed_AS:"));
}

static int find(const struct names *names, const char *text)
{
	for (int i = 0; i < names->n; i++)
		if (!strcmp(names->text[i], text))
			return i;
	return -1;
}

static void drop(struct names *names, int i)
{
	names->n--;
	memmove(names->text[i], names->text[i + 1],
		(names->n - i) * sizeof(names->text[0]));
}

static int open_counter(const char *format, const char *a, const char *b)
{
	char path[256];

	snprintf(path, sizeof(path), format, a, b);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void drop_cgroup(struct agent *a, int i)
{
	close(a->cgroups[i][0]);
	close(a->cgroups[i][1]);
	drop(&a->shared->cgroups, i);
	memmove(a->cgroups[i], a->cgroups[i + 1],
		(a->shared->cgroups.n - i) * sizeof(a->cgroups[0]));
}

/* Runs an administrator's command and notes which cgroups and mounts exist. */
static void administer(struct agent *a, const char *line, char *result)
{
	struct names *cgroups = &a->shared->cgroups;
	struct names *mounts = &a->shared->mounts;
	char words[LINE], *argv[ARGS] = { "", "", "" };
	int i;

	strcpy(words, line);
	split(words, argv);
	if ((mounts->n == NAMES && !strcmp(argv[0], "mount")) ||
	    (cgroups->n == NAMES && !strcmp(argv[1], "mk"))) {
		strcpy(result, "err ENFILE");
		return;
	}
	call(a, ADMIN, line, a->timeout, result);
	if (!a->shared->channels[ADMIN].pid)
		start(a, ADMIN);
	if (strcmp(result, "ok"))
		return;
	if (!strcmp(argv[0], "mount")) {
		strcpy(mounts->text[mounts->n++], argv[1]);
	} else if (!strcmp(argv[0], "umount")) {
		i = find(mounts, argv[1]);
		if (i >= 0)
			drop(mounts, i);
	} else if (!strcmp(argv[0], "cg") && !strcmp(argv[1], "mk")) {
		a->cgroups[cgroups->n][0] = open_counter(
			"%s/%s/hugetlb.2MB.current", a->shared->base, argv[2]);
		a->cgroups[cgroups->n][1] = open_counter(
			"%s/%s/hugetlb.2MB.rsvd.current", a->shared->base,
			argv[2]);
		strcpy(cgroups->text[cgroups->n++], argv[2]);
	} else if (!strcmp(argv[0], "cg") && !strcmp(argv[1], "rm")) {
		i = find(cgroups, argv[2]);
		if (i >= 0)
			drop_cgroup(a, i);
	}
}

/* Whether a folder is left for one of the names. */
static bool has_folder(const char *above, const struct names *names)
{
	char path[256];

	for (int i = 0; i < names->n; i++) {
		snprintf(path, sizeof(path), "%s/%s", above, names->text[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* Whether the pool is not as it was: empty, by all counters. */
static bool has_pages(struct agent *a)
{
	char text[RESULT], want[256], *at = want;

	at += sprintf(at, "0/0/0/0");
	for (int n = 0; n < a->shared->nodes; n++)
		at += sprintf(at, " 0/0/0");
	counters(a, text);
	return strncmp(text, want, at - want);
}

/* Everything gone, the pool empty: "ok" where the kernel agrees. */
static void reset(struct agent *a, char *result)
{
	char text[RESULT], meminfo[4096];
	bool stuck = false, mounts, cgroups;
	int status;

	/* one by one: what is left of the pool may depend on their order */
	for (int p = 0; p < WORKERS; p++) {
		if (!a->shared->channels[p].pid)
			continue;
		kill(a->shared->channels[p].pid, SIGKILL);
		stuck |= !reap(a, &a->shared->channels[p], 2000, &status);
	}
	call(a, ADMIN, "empty", 10000, text);
	if (!a->shared->channels[ADMIN].pid)
		start(a, ADMIN);
	mounts = has_folder(MNT, &a->shared->mounts);
	cgroups = has_folder(a->shared->base, &a->shared->cgroups);
	a->shared->mounts.n = 0;
	while (a->shared->cgroups.n)
		drop_cgroup(a, a->shared->cgroups.n - 1);
	read_meminfo(a, meminfo);
	sprintf(result, "dirty%s%s%s%s%s%s%s", stuck ? " processes" : "",
		mounts ? " mounts" : "", cgroups ? " cgroups" : "",
		has_pages(a) ? " pages" : "",
		field(meminfo, "HardwareCorrupted:") != a->corrupted ?
		" corrupted" : "",
		read_counter(a->gigantic[0]) != a->gigantic_nr ? " gigantic" : "",
		read_counter(a->tainted_file) != a->tainted ? " warned" : "");
	if (!strcmp(result, "dirty"))
		strcpy(result, "ok");
}

/* w P OP...: run in worker P. */
static void in_worker(struct agent *a, const char *line, char *result)
{
	struct channel *channels = a->shared->channels;
	char *rest, *op;
	unsigned long p = strtoul(line, &rest, 10), q = WORKERS;

	rest += strspn(rest, " ");
	if (p >= WORKERS) {
		strcpy(result, "usage w P OP");
		return;
	}
	op = rest;
	if (!strncmp(op, "fail ", 5))
		op += 5 + strcspn(op + 5, " ") + 1;
	if (!strncmp(op, "fork ", 5)) {
		q = strtoul(op + 5, NULL, 10);
		if (q >= WORKERS || channels[q].pid) {
			strcpy(result, "err EEXIST");
			return;
		}
		channels[q].turn = IDLE;
		channels[p].forked = 0;
	}
	call(a, p, rest, a->timeout, result);
	if (q < WORKERS && channels[p].forked > 0)
		channels[q].pid = channels[p].forked;
}

static void greet(struct agent *a, char *result)
{
	struct utsname name;
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	uname(&name);
	sprintf(result, "ok release=%s nodes=%d cgroup=%s able=%s%s gigantic=%lu "
		"tainted=%lu", name.release, a->shared->nodes,
		a->shared->controllers, uffd < 0 ? "" : "userfaultfd,",
		access(HARD_OFFLINE, W_OK) ? "" : "memory_failure",
		a->gigantic_nr, a->tainted);
	if (uffd >= 0)
		close(uffd);
}

static void obey(struct agent *a, const char *line)
{
	char result[RESULT], numbers[4096];
	unsigned long p;

	if (strlen(line) >= LINE) {
		strcpy(result, "usage line too long");
	} else if (!strncmp(line, "w ", 2)) {
		in_worker(a, line + 2, result);
	} else if (!strncmp(line, "spawn ", 6)) {
		p = strtoul(line + 6, NULL, 10);
		if (p >= WORKERS || a->shared->channels[p].pid)
			strcpy(result, "err EEXIST");
		else
			strcpy(result, start(a, p) ? "ok" : "err EAGAIN");
	} else if (!strcmp(line, "counters")) {
		strcpy(result, "ok");
	} else if (!strcmp(line, "reset")) {
		reset(a, result);
	} else if (!strncmp(line, "go ", 3) || !strncmp(line, "join ", 5)) {
		apart(a, line, result);
	} else if (!strncmp(line, "timeout ", 8)) {
		a->timeout = strtol(line + 8, NULL, 10);
		strcpy(result, "ok");
	} else if (!strcmp(line, "hello")) {
		greet(a, result);
	} else {
		administer(a, line, result);
	}
	counters(a, numbers);
	if (a->queued + strlen(result) + strlen(numbers) + 2 > sizeof(a->output) ||
	    now() > a->flushed + 0.5)
		flush(a);
	a->queued += sprintf(a->output + a->queued, "%s\t%s\n", result, numbers);
}

/* Reads lines until the other side closes; in a guest, for ever. */
static void listen_to(struct agent *a)
{
	static char input[1 << 16];
	size_t have = 0, done;
	ssize_t got;
	char *end;

	for (;;) {
		flush(a);
		got = read(a->in, input + have, sizeof(input) - have);
		if (got <= 0) {
			if (!a->init)
				return;
			usleep(10000);	/* nobody is connected */
			continue;
		}
		have += got;
		done = 0;
		while ((end = memchr(input + done, '\n', have - done))) {
			*end = 0;
			obey(a, input + done);
			done = end + 1 - input;
		}
		memmove(input, input + done, have - done);
		have -= done;
		if (have == sizeof(input))
			have = 0;
	}
}

/* ------------------------------------------------------------------ start */

__attribute__((noreturn))
static void die(const char *what)
{
	dprintf(2, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

static void attach(const char *source, const char *path, const char *type)
{
	mkdir(path, 0755);
	mount(source, path, type, 0, NULL);
}

/* As PID 1: the file systems, the drivers, the port. */
static void boot(struct agent *a)
{
	/* allocations that may sleep, and those of one page, may fail, too */
	static const char *const may_fail[][2] = {
		{ DEBUGFS "/failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "/fail_page_alloc/min-order", "0" },
	};
	cpu_set_t first;
	char path[64];

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	sched_setaffinity(0, sizeof(first), &first);	/* a debugger may stop others */
	attach("proc", "/proc", "proc");
	attach("sys", "/sys", "sysfs");
	attach("dev", "/dev", "devtmpfs");
	attach("debug", DEBUGFS, "debugfs");
	for (size_t i = 0; i < sizeof(may_fail) / sizeof(*may_fail); i++)
		write_text(may_fail[i][0], may_fail[i][1]);
	for (int i = 0;; i++) {
		int fd;

		snprintf(path, sizeof(path), "/modules/%d.ko", i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			break;
		syscall(SYS_finit_module, fd, "", 0);
		close(fd);
	}
	for (int i = 0; i < 3000; i++) {
		a->in = a->out = open(PORT, O_RDWR | O_CLOEXEC);
		if (a->in >= 0)
			return;
		usleep(10000);
	}
	die(PORT);
}

/* Finds hugetlb's cgroups, on a mount of our own; enables what is there. */
static void open_cgroups(struct agent *a)
{
	static const char *const wanted[] = { "hugetlb", "memory", "cpuset" };
	struct shared *shared = a->shared;
	char offered[256], now[256], word[32];

	attach("none", CGROUP, "cgroup2");
	read_text(CGROUP "/cgroup.controllers", offered, sizeof(offered));
	if (!strstr(offered, "hugetlb"))
		return;
	read_text(CGROUP "/cgroup.subtree_control", now, sizeof(now));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		snprintf(word, sizeof(word), "+%s", wanted[i]);
		if (!strstr(offered, wanted[i]))
			continue;
		if (!strstr(now, wanted[i])) {
			if (write_text(CGROUP "/cgroup.subtree_control", word) < 0)
				continue;
			sprintf(a->enabled + strlen(a->enabled), "-%s ",
				wanted[i]);
		}
		sprintf(shared->controllers + strlen(shared->controllers),
			"%s%s", shared->controllers[0] ? "," : "", wanted[i]);
	}
	if (a->init) {
		strcpy(shared->base, CGROUP);
		return;
	}
	sprintf(shared->base, CGROUP "/poolproof.%d", getpid());
	if (mkdir(shared->base, 0700))
		die(shared->base);
	snprintf(now, sizeof(now), "%s/cgroup.subtree_control", shared->base);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		snprintf(word, sizeof(word), "+%s", wanted[i]);
		write_text(now, word);
	}
}

static void open_counters(struct agent *a)
{
	static const char *const files[] = { "nr_hugepages", "free_hugepages",
		"surplus_hugepages", "resv_hugepages" };
	char path[128], meminfo[4096];

	a->meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	read_meminfo(a, meminfo);
	a->corrupted = field(meminfo, "HardwareCorrupted:");
	a->tainted_file = open(TAINTED, O_RDONLY | O_CLOEXEC);
	a->tainted = read_counter(a->tainted_file);
	for (int n = 0; n < NODES; n++) {
		for (int i = 0; i < 3; i++) {
			snprintf(path, sizeof(path), NODE, n, files[i]);
			a->pool[n][i] = open(path, O_RDONLY | O_CLOEXEC);
		}
		if (a->pool[n][0] < 0)
			break;
		a->nr[n] = read_counter(a->pool[n][0]);
		a->shared->nodes = n + 1;
	}
	if (!a->shared->nodes)
		die(POOL);
	a->overcommit = read_counter(open(POOL "nr_overcommit_hugepages",
					  O_RDONLY | O_CLOEXEC));
	for (int i = 0; i < 4; i++)
		a->gigantic[i] = open_counter(GIGANTIC "%s%s", files[i], "");
	a->gigantic_nr = read_counter(a->gigantic[0]);
}

/* Puts back what a running system had before us. */
static void restore(struct agent *a)
{
	char result[RESULT], path[128], text[32];

	reset(a, result);
	for (int n = 0; n < a->shared->nodes; n++) {
		snprintf(path, sizeof(path), NODE, n, "nr_hugepages");
		snprintf(text, sizeof(text), "%lu", a->nr[n]);
		write_text(path, text);
	}
	snprintf(text, sizeof(text), "%lu", a->overcommit);
	write_text(POOL "nr_overcommit_hugepages", text);
	if (a->shared->base[0])
		rmdir(a->shared->base);
	if (a->enabled[0])
		write_text(CGROUP "/cgroup.subtree_control", a->enabled);
}

int main(void)
{
	static struct agent a = { .in = 0, .out = 1, .timeout = 3000 };
	char result[RESULT];
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGPIPE, SIG_IGN);
	a.init = getpid() == 1;
	a.shared = mmap(NULL, sizeof(*a.shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a.shared == MAP_FAILED)
		die("mmap");
	a.segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	if (a.segment >= 0) {
		shmat(a.segment, NULL, 0);
		shmctl(a.segment, IPC_RMID, NULL);
	}
	if (a.init)
		boot(&a);
	else if (unshare(CLONE_NEWNS) ||
		 mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("a mount namespace");
	if (mkdir(MNT, 0755) && errno != EEXIST)
		die(MNT);
	if (mount("none", MNT, "tmpfs", 0, "size=1m,mode=0700"))
		die(MNT);
	open_cgroups(&a);
	open_counters(&a);
	start(&a, ADMIN);
	if (a.init)
		reset(&a, result);
	obey(&a, "hello");
	listen_to(&a);
	restore(&a);
	return 0;
}
