// SPDX-License-Identifier: GPL-2.0-only
/*@ head */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
/*+ looks */
#include <fnmatch.h>
/*+ */
#include <limits.h>
#include <linux/falloc.h>
#include <linux/mempolicy.h>
/*+ uffdcopy */
#include <linux/userfaultfd.h>
/*+ */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/*+ uffdcopy */
#include <sys/ioctl.h>
/*+ */
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define HPAGE (2UL << 20)
#define PAGE(n) ((char *)0x100000000000UL + (n) * HPAGE)
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define NODE "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/"
#define ALL_NODES 64
#define RESULT 400
#define PATIENCE 10000	/* milliseconds for one call */
/*@ base */
/* A process makes the calls that it is told to; the first one tells it. */
struct process {
	pid_t pid;
	_Atomic int call, answered;
	char result[RESULT];
};

static struct process *processes;	/* shared by all */
static char directory[64];
static long nr_before[ALL_NODES], overcommit_before = -1;
static int all_nodes;
static pid_t leader;
static sigjmp_buf fault_return;

static void perform(int call, char *result);

static long read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	return got > 0 ? (long)strtoul(text, NULL, 10) : -1;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t put;
	int error;

	if (fd < 0)
		return -1;
	put = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return put < 0 ? -1 : 0;
}

static int write_number(const char *path, long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", number);
	return write_text(path, text);
}

static long node_number(int node, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), NODE "%s", node, name);
	return read_number(path);
}

static int set_node(int node, long pages)
{
	char path[160];

	snprintf(path, sizeof(path), NODE "nr_hugepages", node);
	return write_number(path, pages);
}

static long meminfo(const char *name)
{
	char text[4096] = "", *at;
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	at = got > 0 ? strstr(text, name) : NULL;
	return at ? (long)strtoul(at + strlen(name), NULL, 10) : -1;
}
/*@ restore: mounts? groups? */
/* Everything as it was. Also called from a signal's handler. */
static void restore(void)
{
	if (getpid() != leader)
		return;
	for (int p = 0; p < PROCESSES; p++)
		if (processes[p].pid > 0)
			kill(processes[p].pid, SIGKILL);
	for (int i = 0; i < 1000 && waitpid(-1, NULL, WNOHANG | __WALL) >= 0; i++)
		usleep(2000);
/*+ mounts */
	restore_mount();
/*+ groups */
	restore_groups();
/*+ */
	if (directory[0])
		rmdir(directory);
	if (overcommit_before >= 0)
		write_number(POOL "nr_overcommit_hugepages", overcommit_before);
	for (int n = 0; n < all_nodes; n++)
		set_node(n, nr_before[n]);
}

static void on_signal(int number)
{
	restore();
	signal(number, SIG_DFL);
	raise(number);
}

__attribute__((noreturn))
static void leave(int code)
{
	restore();
	for (int n = 0; n < all_nodes; n++)
		if (node_number(n, "nr_hugepages") != nr_before[n])
			printf("# node %d has not got its pages back: "
			       "only a reboot helps\n", n);
	fflush(stdout);
	_exit(code);
}

__attribute__((noreturn))
static void skip(const char *why)
{
	printf("ok 1 " NAME " # SKIP %s\n", why);
	leave(4);
}
/*@ workers: base restore */
static void on_fault(int number)
{
	siglongjmp(fault_return, number);
}

static const char *errno_name(int error)
{
	switch (error) {
	case ENOMEM:
		return "ENOMEM";
	case ENOSPC:
		return "ENOSPC";
	case EBADF:
		return "EBADF";
	case EFAULT:
		return "EFAULT";
	case ENOENT:
		return "ENOENT";
	case ESRCH:
		return "ESRCH";
	case EINVAL:
		return "EINVAL";
	case EBUSY:
		return "EBUSY";
	case EACCES:
		return "EACCES";
	case EEXIST:
		return "EEXIST";
	default:
		return strerror(error);
	}
}

/* What a call says: OK, the name of an errno or of a signal. */
static void make(int call, char *result)
{
	int number = sigsetjmp(fault_return, 1);

	errno = 0;
	result[0] = 0;
	if (number == 0)
		perform(call, result);
	else
		strcpy(result, number == SIGBUS ? "SIGBUS" : "SIGSEGV");
}

static void said(char *result, long returned)
{
	if (returned < 0)
		snprintf(result, RESULT, "%s", errno_name(errno));
	else if (!result[0])
		strcpy(result, "OK");
}

__attribute__((noreturn))
static void work(int me)
{
	struct process *mine = &processes[me];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	for (;;) {
		int call = atomic_load(&mine->call);

		if (call == atomic_load(&mine->answered)) {
			usleep(200);
			continue;
		}
		make(call, mine->result);
		atomic_store(&mine->answered, call);
	}
}

/* A new process; the first one's child. */
static int start(int p)
{
	pid_t pid;

	atomic_store(&processes[p].call, -1);
	atomic_store(&processes[p].answered, -1);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		work(p);
	processes[p].pid = pid;
	return pid < 0 ? -1 : 0;
}

/* Has process p make a call; -1: the first one makes it. */
static void ask(int p, int call, char *result)
{
	struct process *other = &processes[p];

	result[0] = 0;
	errno = 0;
	if (p < 0) {
		perform(call, result);
		return;
	}
	if (!other->pid) {
		strcpy(result, "gone");
		return;
	}
	atomic_store(&other->call, call);
	for (int waited = 0; waited < PATIENCE * 5; waited++) {
		if (atomic_load(&other->answered) == call) {
			strcpy(result, other->result);
			return;
		}
		if (waitpid(other->pid, NULL, WNOHANG | __WALL) == other->pid) {
			other->pid = 0;
			strcpy(result, "OK");	/* it was to exit */
			return;
		}
		usleep(200);
	}
	strcpy(result, "no answer");
}
/*@ forks: workers */
/* A child of the calling process, which the first one reaps. */
static int split_off(int p)
{
	pid_t pid;

	atomic_store(&processes[p].call, -1);
	atomic_store(&processes[p].answered, -1);
	pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		work(p);
	processes[p].pid = pid;
	return pid < 0 ? -1 : 0;
}
/*@ policies */
static long bind_task(int mode, unsigned long nodes)
{
	return syscall(SYS_set_mempolicy, mode, nodes ? &nodes : NULL, 64UL);
}
/*@ mbind */
static long bind_range(long page, long pages, int mode, unsigned long nodes,
		       unsigned int flags)
{
	return syscall(SYS_mbind, PAGE(page), pages * HPAGE, mode,
		       nodes ? &nodes : NULL, 64UL, flags);
}
/*@ mounts: base */
static char mountpoint[80];

static int mount_hugetlbfs(const char *options)
{
	if (mkdir(mountpoint, 0700))
		return -1;
	return mount("none", mountpoint, "hugetlbfs", 0, options);
}

static void restore_mount(void)
{
	umount2(mountpoint, MNT_DETACH);
	rmdir(mountpoint);
}
/*@ names: mounts */
static const char *in_mount(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", mountpoint, name);
	return path;
}
/*@ umount: mounts */
static int umount_hugetlbfs(void)
{
	return umount2(mountpoint, 0) || rmdir(mountpoint) ? -1 : 0;
}
/*@ space: mounts */
static long space(int free)
{
	struct statfs s;

	if (statfs(mountpoint, &s) || s.f_type != 0x958458f6)
		return 0;
	return free ? (long)s.f_bfree : (long)s.f_blocks;
}
/*@ groups: base */
/* cgroups, below one of our own on a mount of our own */
static char cgroup_root[80], cgroup_base[128];
static char made[16][160], enabled[64];
static int groups_made;

static int group_write(const char *name, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s/%s", cgroup_base, name, file);
	return write_text(path, text);
}

static int group_make(const char *name)
{
	snprintf(made[groups_made], sizeof(made[0]), "%s/%s", cgroup_base, name);
	return mkdir(made[groups_made++], 0700);
}

/* Whether the controllers are there; enables what is not. */
static int groups_prepare(const char *const *wanted)
{
	char path[160], text[512];

	snprintf(cgroup_root, sizeof(cgroup_root), "%s/cgroup", directory);
	if (mkdir(cgroup_root, 0700) ||
	    mount("none", cgroup_root, "cgroup2", 0, NULL))
		return -1;
	snprintf(cgroup_base, sizeof(cgroup_base), "%s/poolproof.%d",
		 cgroup_root, getpid());
	if (mkdir(cgroup_base, 0700))
		return -1;
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cgroup_root);
	for (; *wanted; wanted++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

		close(fd);
		text[got > 0 ? got : 0] = 0;
		snprintf(text + 256, 32, "+%s", *wanted);
		if (!strstr(text, *wanted)) {
			if (write_text(path, text + 256))
				return -1;
			snprintf(enabled + strlen(enabled), 16, "-%s ", *wanted);
		}
		if (group_write(".", "cgroup.subtree_control", text + 256))
			return -1;
	}
	return 0;
}

static void restore_groups(void)
{
	char path[160];

	for (int k = groups_made - 1; k >= 0; k--)
		for (int i = 0; i < 200 && rmdir(made[k]) && errno == EBUSY; i++)
			usleep(1000);
	if (cgroup_base[0])
		rmdir(cgroup_base);
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cgroup_root);
	if (enabled[0])
		write_text(path, enabled);
	if (cgroup_root[0]) {
		umount2(cgroup_root, MNT_DETACH);
		rmdir(cgroup_root);
	}
}
/*@ attach: groups */
static int group_attach(const char *name, int p)
{
	char text[32], path[256];

	snprintf(text, sizeof(text), "%d", processes[p].pid);
	if (strcmp(name, "."))
		return group_write(name, "cgroup.procs", text);
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup_root);
	return write_text(path, text);
}
/*@ charges: groups */
static long group_pages(const char *name, const char *file)
{
	char path[256];
	long bytes;

	snprintf(path, sizeof(path), "%s/%s/hugetlb.2MB.%s", cgroup_base, name,
		 file);
	bytes = read_number(path);
	return bytes < 0 ? 0 : (long)((unsigned long)bytes / HPAGE);
}
/*@ maps */
/* The VMAs that the run made, as START+LENGTH:PERMS@OFFSET in huge pages. */
static int maps(char *result)
{
	FILE *file = fopen("/proc/self/maps", "r");
	unsigned long from, to, offset, base = (unsigned long)PAGE(0);
	char perms[5];
	int used = 0;

	if (!file)
		return -1;
	while (fscanf(file, "%lx-%lx %4s %lx%*[^\n]", &from, &to, perms,
		      &offset) == 4)
		if (from >= base && to <= base + (HPAGE << 20) &&
		    used < RESULT - 80)
			used += sprintf(result + used, "%s%lu+%lu:%s@%lu",
					used ? " " : "", (from - base) / HPAGE,
					(to - from) / HPAGE, perms,
					offset / HPAGE);
	fclose(file);
	return 0;
}
/*@ pmap */
/* Each page: - not there, x mapped nowhere else, s mapped elsewhere, too. */
static int pmap(long page, long pages, char *result)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	for (long k = 0; k < pages && 2 * k < RESULT - 2; k++) {
		unsigned long entry = 0;
		off_t at = ((unsigned long)PAGE(page + k) >> 12) * sizeof(entry);

		if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry))
			entry = 0;
		result[2 * k] = !(entry >> 63) ? '-' : entry >> 56 & 1 ? 'x' : 's';
		result[2 * k + 1] = ' ';
		result[2 * k + 2] = 0;
	}
	result[strlen(result) - 1] = 0;
	close(fd);
	return 0;
}
/*@ numa */
static int numa(long page, char *result)
{
	void *at = PAGE(page);
	int node = 0;

	if (syscall(SYS_move_pages, 0, 1UL, &at, NULL, &node, 0))
		return -1;
	errno = node < 0 ? -node : 0;
	sprintf(result, "%d", node);
	return node < 0 ? -1 : 0;
}
/*@ uffdcopy */
/* UFFDIO_COPY to page `at` of a mapping, from memory that was `touched` or not. */
static long fill_page(long page, long pages, long at, int touched)
{
	char *source = mmap(NULL, HPAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register all = {
		.range.start = (unsigned long)PAGE(page),
		.range.len = pages * HPAGE,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy = {
		.dst = (unsigned long)PAGE(at),
		.src = (unsigned long)source,
		.len = HPAGE,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC), error;
	long returned;

	if (touched)
		memset(source, 1, HPAGE);
	returned = ioctl(fd, UFFDIO_API, &api) ||
		   ioctl(fd, UFFDIO_REGISTER, &all) ||
		   ioctl(fd, UFFDIO_COPY, &copy) ? -1 : 0;
	error = errno;
	close(fd);
	munmap(source, HPAGE);
	errno = error;
	return returned;
}
/*@ fstat */
static int file_size(int fd, char *result)
{
	struct stat s;

	if (fstat(fd, &s))
		return -1;
	sprintf(result, "size=%lu blocks=%lu", (unsigned long)s.st_size / HPAGE,
		(unsigned long)s.st_blocks * 512 / HPAGE);
	return 0;
}
/*@ pin */
/* The first CPU of node 0: that is where surplus pages come from. */
static void pin(void)
{
	long cpu = read_number("/sys/devices/system/node/node0/cpulist");
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}
/*@ prepare: workers pin mounts? groups? */
static void prepare(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	const int deadly[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE,
			       SIGALRM, SIGSEGV, SIGBUS, SIGABRT };
/*+ groups */
	static const char *const wanted[] = { CONTROLLERS, NULL };
/*+ */

	leader = getpid();
	printf("TAP version 13\n1..1\n");
	processes = mmap(NULL, sizeof(*processes) * PROCESSES,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	if (processes == MAP_FAILED)
		_exit(1);
	if (geteuid())
		skip("only root may do this");
	if (access(POOL, F_OK))
		skip("there are no huge pages of 2 MiB");
	if (node_number(NODES - 1, "nr_hugepages") < 0)
		skip("this takes " NEEDS);
	if (meminfo("HugePages_Total:") != meminfo("HugePages_Free:") ||
	    meminfo("HugePages_Rsvd:"))
		skip("huge pages are in use");
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
		sigaction(deadly[i], &action, NULL);
	while (all_nodes < ALL_NODES &&
	       (nr_before[all_nodes] =
			node_number(all_nodes, "nr_hugepages")) >= 0)
		all_nodes++;
	overcommit_before = read_number(POOL "nr_overcommit_hugepages");
	write_number(POOL "nr_overcommit_hugepages", 0);
	for (int n = 0; n < all_nodes; n++)
		set_node(n, 0);
	snprintf(directory, sizeof(directory), "/tmp/poolproof.XXXXXX");
	if (!mkdtemp(directory)) {
		directory[0] = 0;
		skip("there is no room in /tmp");
	}
/*+ mounts */
	snprintf(mountpoint, sizeof(mountpoint), "%s/m", directory);
/*+ groups */
	if (groups_prepare(wanted))
		skip("cgroup v2 has not got " NEEDED_CONTROLLERS);
/*+ */
	pin();
}
/*@ main: prepare */
static void show(const char *who, const char *result, const long *counters)
{
	printf("#    %-6s %-8s ", who, result);
	show_counters(counters);
}

/* Whether the kernel says what is expected. */
static int same(const struct step *step, const char *result, const long *seen)
{
/*+ plain */
	if (strcmp(step->result, result))
		return 0;
/*+ looks */
	if (fnmatch(step->result, result, 0))	/* ? is what nobody knows */
		return 0;
/*+ */
	for (int k = 0; k < COUNTERS; k++)
		if (step->counters[k] != seen[k] &&
		    (step->counters[k] >= 0 || seen[k] >= 0))
			return 0;
	return 1;
}

int main(void)
{
	int differs = 0;	/* the first step where they do */
	char result[RESULT] = "OK";
	long seen[COUNTERS];

	prepare();
	for (int call = 0; call < SETUP; call++) {
		ask(by[call], call, result);
		if (strcmp(result, "OK"))
			skip("the start of the run cannot be set up");
	}
	observe(seen);
	if (!same(&start_of_run, "OK", seen)) {
		printf("# the start of the run\n");
		show(EXPECTED, "OK", start_of_run.counters);
		show("kernel", "OK", seen);
		skip("the pool is not as the run needs it");
	}
	for (int k = 0; k < STEPS && !differs; k++) {
		const struct step *step = &steps[k];
		char any[RESULT];

		for (int call = step->first; call <= step->last; call++)
			ask(by[call], call, call == step->said ? result : any);
		observe(seen);
		printf("# %d. %s\n", k + 1, step->call);
		show(EXPECTED, step->result, step->counters);
		show("kernel", result, seen);
		if (!same(step, result, seen)) {
			differs = k + 1;
			printf("#    they differ\n");
		}
		fflush(stdout);
	}
	if (differs && differs < DECIDED)
		skip("the kernel differs from the " EXPECTED " before step " AT);
/*+ unseen */
	skip(differs ? "the kernel differs from the " EXPECTED : UNSEEN);
/*+ others */
	if (!differs) {
		printf("ok 1 " NAME " # as the " EXPECTED "\n");
		leave(0);
	}
	show(OTHER, other[0].result, other[0].counters);
	printf("not ok 1 " NAME " # %s\n", same(&other[0], result, seen) ?
	       "as the " OTHER : "neither as the " EXPECTED " nor as the " OTHER);
	leave(1);
/*+ asked */
	if (violated(result, seen)) {
/*+ compared */
	if (!differs) {
/*+ seen */
		printf(SEEN);
		leave(SEEN_EXIT);
	}
	printf(NOT_SEEN, differs);
	leave(!SEEN_EXIT);
/*+ */
}
