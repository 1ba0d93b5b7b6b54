/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stock kernel makes of the machine: one static program that does each
 * operation in batches inside the guest. A batch lies between two marks, no-ops
 * that the counting plugin (count.c) knows by their displacement; the program
 * itself reads only the time stamp counter, which under -icount counts
 * instructions too and shows that nothing was missed. One batch warms up.
 *
 * Output, one line per operation, in the order of the marks:
 *   ops NAME OPERATIONS-PER-BATCH TICKS TICKS ...
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define BATCHES    9
#define PAGE       4096ul
#define FILE_PAGES 256u
#define SELF       "/bin/ops"

/* nopl DISP(%rax): the displacement is the name of the mark. */
#define MARK(disp) __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long " #disp ::: "memory")
#define MARK_START MARK(0x7e550001)
#define MARK_END   MARK(0x7e550002)

struct operation {
	const char *name;
	unsigned count;       /* operations in a batch */
	void (*begin)(void);  /* once */
	void (*before)(void); /* before each batch, not counted */
	void (*batch)(unsigned count);
	void (*end)(void); /* once */
};

static void need(int good, const char *what) {
	if (!good) {
		perror(what);
		exit(1);
	}
}

static void null_batch(unsigned count) {
	while (count--) syscall(SYS_getppid);
}

static void clock_batch(unsigned count) {
	struct timespec now;

	while (count--) clock_gettime(CLOCK_MONOTONIC, &now);
}

/* Signals. */

static volatile unsigned faults_left;
static volatile char *guarded;

static void caught(int signal) { (void)signal; }

static void signal_begin(void) { signal(SIGUSR1, caught); }

static void signal_batch(unsigned count) {
	pid_t self = getpid();

	while (count--) kill(self, SIGUSR1);
}

/* Returning from the handler repeats the faulting store, until it may succeed. */
static void refused(int signal) {
	(void)signal;
	if (--faults_left == 0) mprotect((void *)guarded, PAGE, PROT_READ | PROT_WRITE);
}

static void protection_begin(void) {
	guarded = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(guarded != MAP_FAILED, "mmap");
	*guarded = 1;
	signal(SIGSEGV, refused);
}

static void protection_before(void) {
	need(mprotect((void *)guarded, PAGE, PROT_READ) == 0, "mprotect");
}

static void protection_batch(unsigned count) {
	faults_left = count;
	*guarded = 1;
}

/* Processes. */

static void await(pid_t child) { need(child > 0 && waitpid(child, NULL, 0) == child, "child"); }

static void fork_batch(unsigned count) {
	while (count--) {
		pid_t child = fork();

		if (child == 0) _exit(0);
		await(child);
	}
}

static void exec_batch(unsigned count) {
	static char *const words[] = {SELF, "exit", NULL};
	static char *const none[] = {NULL};

	while (count--) {
		pid_t child = fork();

		if (child == 0) {
			execve(SELF, words, none);
			_exit(1);
		}
		await(child);
	}
}

/* A file of 1 MiB, in the page cache by nature: the file system is memory. */

static int file;
static char *single[FILE_PAGES];

static void file_begin(void) {
	static char page[PAGE];

	file = open("/tmp/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	need(file >= 0, "/tmp/file");
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		memset(page, (int)i + 1, PAGE);
		need(write(file, page, PAGE) == (ssize_t)PAGE, "write");
	}
}

static void file_end(void) {
	close(file);
	unlink("/tmp/file");
}

static void mmap_batch(unsigned count) {
	while (count--) {
		size_t size = FILE_PAGES * PAGE;
		volatile char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);

		need(map != MAP_FAILED, "mmap");
		for (size_t at = 0; at < size; at += PAGE) (void)map[at];
		munmap((void *)map, size);
	}
}

/* Each page in a mapping of its own, with a hole behind it: one fault maps one page. */
static void fault_begin(void) {
	char *hole =
		mmap(NULL, 2 * FILE_PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(hole != MAP_FAILED, "mmap");
	file_begin();
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		single[i] = mmap(hole + 2 * i * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file,
				 (off_t)(i * PAGE));
		need(single[i] != MAP_FAILED, "mmap");
	}
}

static void fault_before(void) {
	for (unsigned i = 0; i < FILE_PAGES; i++)
		need(madvise(single[i], PAGE, MADV_DONTNEED) == 0, "madvise");
}

static void fault_batch(unsigned count) {
	for (unsigned i = 0; i < count; i++) (void)*(volatile char *)single[i];
}

/* A token between two processes: over two pipes, or over one TCP connection. */

static int token_in, token_out;
static pid_t echo;

static void echo_start(int in, int out, int far_in, int far_out) {
	char token;

	token_in = in;
	token_out = out;
	echo = fork();
	need(echo >= 0, "fork");
	if (echo) return;
	close(in);
	close(out);
	while (read(far_in, &token, 1) == 1 && write(far_out, &token, 1) == 1)
		;
	_exit(0);
}

static void pipe_begin(void) {
	int there[2], back[2];

	need(pipe(there) == 0 && pipe(back) == 0, "pipe");
	echo_start(back[0], there[1], there[0], back[1]);
	close(there[0]);
	close(back[1]);
}

static void loopback_up(int socket) {
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	need(ioctl(socket, SIOCSIFFLAGS, &request) == 0, "lo");
}

static void tcp_begin(void) {
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	int near = socket(AF_INET, SOCK_STREAM, 0), far;

	loopback_up(listener);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	need(bind(listener, (void *)&address, size) == 0 && listen(listener, 1) == 0, "listen");
	getsockname(listener, (void *)&address, &size);
	need(connect(near, (void *)&address, size) == 0, "connect");
	far = accept(listener, NULL, NULL);
	need(far >= 0, "accept");
	setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	echo_start(near, near, far, far);
	close(far);
	close(listener);
}

static void echo_end(void) {
	close(token_in);
	if (token_out != token_in) close(token_out);
	await(echo);
}

static void echo_batch(unsigned count) {
	char token = 0;

	while (count--)
		need(write(token_out, &token, 1) == 1 && read(token_in, &token, 1) == 1, "echo");
}

/* A round trip is two switches. */
static void switch_batch(unsigned count) { echo_batch(count / 2); }

static const struct operation operations[] = {
	{"null", 1000, NULL, NULL, null_batch, NULL},
	{"signal", 200, signal_begin, NULL, signal_batch, NULL},
	{"fork_exit", 4, NULL, NULL, fork_batch, NULL},
	{"fork_exec", 2, NULL, NULL, exec_batch, NULL},
	{"mmap_1m", 4, file_begin, NULL, mmap_batch, file_end},
	{"fault_file", FILE_PAGES, fault_begin, fault_before, fault_batch, file_end},
	{"fault_protection", 200, protection_begin, protection_before, protection_batch, NULL},
	{"context_switch", 200, pipe_begin, NULL, switch_batch, echo_end},
	{"pipe_round_trip", 100, pipe_begin, NULL, echo_batch, echo_end},
	{"tcp_round_trip", 50, tcp_begin, NULL, echo_batch, echo_end},
	{"clock_gettime", 1000, NULL, NULL, clock_batch, NULL},
};

static void measure(const struct operation *o) {
	uint64_t ticks[BATCHES + 1];

	if (o->begin) o->begin();
	for (unsigned i = 0; i <= BATCHES; i++) {
		if (o->before) o->before();
		ticks[i] = __rdtsc();
		MARK_START;
		o->batch(o->count);
		MARK_END;
		ticks[i] = __rdtsc() - ticks[i];
	}
	if (o->end) o->end();
	printf("ops %s %u", o->name, o->count);
	for (unsigned i = 1; i <= BATCHES; i++) printf(" %lu", ticks[i]);
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv) {
	if (argc > 1 && strcmp(argv[1], "exit") == 0) _exit(0);
	for (unsigned i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		measure(&operations[i]);
	return 0;
}
