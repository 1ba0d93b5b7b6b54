/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guests of the network's kill campaign run: TCP streams in both directions
 * whose every byte is known to both ends, and when something arrived.
 *
 *   talk serve PORT                                answers, until it is asked for its report
 *   talk run ADDRESS PORT STREAMS END RATE [report]
 *                                                  streams until the time-stamp counter is END
 *   talk file SIZE                                 that many bytes of stream 0, for others to send
 *   talk left END                                  seconds until then, at least one
 *
 * RATE is in bytes per second of each stream; 0: as fast as it goes.
 *
 * Even streams go to the server, odd ones come from it. The byte at place p of stream n is
 * byte (p + n * STEP) % LENGTH of a table that both ends make; LENGTH is odd and larger
 * than any window, so that nothing that is lost, doubled or misplaced can fit. campaign.py
 * speaks the same protocol as a server on the host.
 *
 * A connection begins with a struct hello. A sender ends its stream; the server answers
 * what it received with a struct verdict. The client ends its own direction of a stream
 * that comes when time is up, and the server then ends the stream. The report is all that
 * the server noticed; the client puts it together with its own, and prints each time
 * in which nothing arrived at all. Its kernel sends streams in bursts; so that such a time
 * means something, a datagram goes to the server twice a millisecond, as many as may be lost.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LENGTH       1000003U
#define STEP         7919U
#define CHUNK        65536U
#define MAGIC        0x4b4c4154U /* "TALK" */
#define MAX_STREAMS  64U
#define TICKS        63U /* the stream of the datagrams that are sent all the time */
#define TICK_US      500U
#define MAX_ARRIVALS 2000000U
#define GAP          700000U /* of the time-stamp counter: shorter ones are not told */
#define MAX_LOG      (1 << 18)

enum { TO_SERVER = 1, FROM_SERVER, REPORT };

struct hello {
	uint32_t magic, kind, stream, rate;
};

struct verdict {
	uint64_t bytes, wrong;
};

struct arrival {
	uint64_t at;
	uint32_t stream, bytes;
};

/* Shared by all processes of this end. */
static struct notes {
	uint64_t wrong;
	uint64_t arrivals;
	struct arrival arrival[MAX_ARRIVALS];
} * notes;

static uint8_t pattern[LENGTH + CHUNK];
static char log_before[MAX_LOG], log_after[MAX_LOG];

static void make_pattern(void) {
	uint64_t state = 0x9e3779b97f4a7c15ULL;

	for (uint32_t i = 0; i < LENGTH; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		pattern[i] = (uint8_t)(state >> 32);
	}
	memcpy(pattern + LENGTH, pattern, CHUNK);
}

/* What cannot be is said at once, and counted. */
static void wrong(const char *what, uint32_t stream, uint64_t where) {
	__atomic_fetch_add(&notes->wrong, 1, __ATOMIC_RELAXED);
	printf("talk: WRONG: %s of stream %u at %lu (%s)\n", what, stream, where, strerror(errno));
	fflush(stdout);
	errno = 0;
}

static void arrived(uint32_t stream, uint32_t bytes) {
	uint64_t i = __atomic_fetch_add(&notes->arrivals, 1, __ATOMIC_RELAXED);

	if (i < MAX_ARRIVALS)
		notes->arrival[i] = (struct arrival){__builtin_ia32_rdtsc(), stream, bytes};
}

static int whole(int peer, void *data, size_t size, int out) {
	for (size_t done = 0; done < size;) {
		uint8_t *at = (uint8_t *)data + done;
		ssize_t n = out ? send(peer, at, size - done, 0) : recv(peer, at, size - done, 0);

		if (n <= 0) return 0;
		done += (size_t)n;
	}
	return 1;
}

/* --- one stream --- */

static const uint8_t *bytes_at(uint32_t stream, uint64_t place) {
	return pattern + (place + (uint64_t)stream * STEP) % LENGTH;
}

/* Until the counter is `end`; 0: until the peer ends its own direction. */
static uint64_t put(int peer, uint32_t stream, uint32_t rate, uint64_t end) {
	uint64_t place = 0;
	uint8_t byte;
	int little = (int)(rate / 16); /* so that what is sent last does not take long */

	if (rate) {
		setsockopt(peer, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
		setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	}
	for (;;) {
		size_t size = 1 + (place * 2654435761U >> 7) % (rate ? CHUNK / 16 : CHUNK);
		ssize_t n = send(peer, bytes_at(stream, place), size, 0);

		if (n <= 0) {
			wrong("send", stream, place);
			break;
		}
		place += (uint64_t)n;
		if (end ? __builtin_ia32_rdtsc() >= end : recv(peer, &byte, 1, MSG_DONTWAIT) == 0)
			break;
	}
	shutdown(peer, SHUT_WR);
	return place;
}

/* To the peer's end, which is asked for when the counter is `end`, if that is not 0. */
static struct verdict get(int peer, uint32_t stream, uint64_t end) {
	static uint8_t buffer[CHUNK];
	struct verdict found = {0};
	ssize_t n;

	while ((n = recv(peer, buffer, sizeof(buffer), 0)) > 0) {
		arrived(stream, (uint32_t)n);
		if (memcmp(buffer, bytes_at(stream, found.bytes), (size_t)n)) {
			found.wrong++;
			wrong("a byte", stream, found.bytes);
		}
		found.bytes += (uint64_t)n;
		if (end && __builtin_ia32_rdtsc() >= end) {
			shutdown(peer, SHUT_WR);
			end = 0;
		}
	}
	if (n < 0) wrong("receive", stream, found.bytes);
	return found;
}

/* --- the kernel's log --- */

static void read_log(char *text) {
	int length = klogctl(3, text, MAX_LOG - 1);

	text[length < 0 ? 0 : length] = 0;
}

/*
 * Lines that came since `log_before`; that the kernel's random numbers are ready is none, nor is
 * what TALK_KNOWN says.
 */
static uint32_t new_lines(void) {
	const char *known = getenv("TALK_KNOWN");
	uint32_t lines = 0;
	char *from;

	read_log(log_after);
	from = strncmp(log_after, log_before, strlen(log_before)) ? log_after
								  : log_after + strlen(log_before);
	for (char *line = strtok(from, "\n"); line; line = strtok(NULL, "\n")) {
		if (strstr(line, "random: crng init done")) continue;
		if (known && strstr(line, known)) continue;
		printf("talk: kernel: %s\n", line);
		lines++;
	}
	return lines;
}

/* --- the server --- */

static void send_report(int peer) {
	uint64_t head[3] = {notes->wrong, new_lines(), notes->arrivals};

	if (head[2] > MAX_ARRIVALS) head[2] = MAX_ARRIVALS;
	if (!whole(peer, head, sizeof(head), 1) ||
	    !whole(peer, notes->arrival, head[2] * sizeof(struct arrival), 1))
		wrong("report", 0, 0);
	shutdown(peer, SHUT_WR);
	while (recv(peer, head, sizeof(head), 0) > 0) continue;
}

static void answer(int peer) {
	struct hello hello;
	struct verdict verdict;

	if (!whole(peer, &hello, sizeof(hello), 0) || hello.magic != MAGIC) {
		wrong("hello", 0, 0);
	} else if (hello.kind == FROM_SERVER) {
		put(peer, hello.stream, hello.rate, 0);
		while (recv(peer, &verdict, sizeof(verdict), 0) > 0) continue;
	} else if (hello.kind == TO_SERVER) {
		verdict = get(peer, hello.stream, 0);
		if (!whole(peer, &verdict, sizeof(verdict), 1))
			wrong("verdict", hello.stream, verdict.bytes);
	} else {
		send_report(peer);
		exit(3);
	}
	close(peer);
	exit(0);
}

static pid_t take_ticks(const struct sockaddr_in *at) {
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	pid_t child = fork();
	uint64_t number;

	if (child) {
		close(s);
		return child;
	}
	if (bind(s, (const struct sockaddr *)at, sizeof(*at))) wrong("bind", TICKS, 0);
	while (recv(s, &number, sizeof(number), 0) > 0) arrived(TICKS, sizeof(number));
	exit(0);
}

static int serve(uint16_t port) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, status;
	pid_t ticks = take_ticks(&at);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 64)) {
		perror("talk: listen");
		return 1;
	}
	printf("talk: serves\n");
	fflush(stdout);
	for (;;) {
		/* A child that ended with 3 has given the report: it is the last one. */
		struct timeval wait = {0, 200000};
		int peer;

		while (waitpid(-1, &status, WNOHANG) > 0)
			if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
				return kill(ticks, SIGKILL);
		setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		peer = accept(listener, NULL, NULL);
		if (peer < 0) continue;
		/* It has the listener's patience, which is short. */
		wait.tv_usec = 0;
		setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		if (!fork()) answer(peer);
		close(peer);
	}
}

/* --- the client --- */

static int reach(const char *address, uint16_t port, uint32_t kind, uint32_t stream,
		 uint32_t rate) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct hello hello = {MAGIC, kind, stream, rate};
	int peer;

	inet_pton(AF_INET, address, &at.sin_addr);
	for (int tries = 0; tries < 3000; tries++) {
		peer = socket(AF_INET, SOCK_STREAM, 0);
		if (!connect(peer, (struct sockaddr *)&at, sizeof(at))) {
			errno = 0;
			if (!whole(peer, &hello, sizeof(hello), 1)) wrong("hello", stream, 0);
			return peer;
		}
		close(peer);
		usleep(20000);
	}
	wrong("connect", stream, 0);
	exit(1);
}

static void stream_of(int peer, uint32_t stream, uint32_t rate, uint64_t end) {
	struct verdict verdict = {0};
	uint64_t sent;

	if (stream & 1) {
		verdict = get(peer, stream, end);
		printf("talk: stream %u: %lu bytes received\n", stream, verdict.bytes);
		exit(0);
	}
	sent = put(peer, stream, rate, end);
	if (!whole(peer, &verdict, sizeof(verdict), 0))
		wrong("verdict", stream, sent);
	else if (verdict.bytes != sent || verdict.wrong)
		wrong("what arrived", stream, verdict.bytes);
	printf("talk: stream %u: %lu bytes sent\n", stream, sent);
	exit(0);
}

static void send_ticks(const char *address, uint16_t port, uint64_t end) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, address, &at.sin_addr);
	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	for (uint64_t now; (now = __builtin_ia32_rdtsc()) < end; usleep(TICK_US))
		sendto(s, &now, sizeof(now), 0, (struct sockaddr *)&at, sizeof(at));
	exit(0);
}

static void fetch_report(int peer) {
	uint64_t head[3] = {0},
		 mine = notes->arrivals < MAX_ARRIVALS ? notes->arrivals : MAX_ARRIVALS;

	if (!whole(peer, head, sizeof(head), 0) || head[2] > MAX_ARRIVALS - mine ||
	    !whole(peer, notes->arrival + mine, head[2] * sizeof(struct arrival), 0)) {
		wrong("report", 0, head[2]);
		return;
	}
	notes->wrong += head[0] + head[1];
	notes->arrivals = mine + head[2];
	close(peer);
}

static int by_time(const void *one, const void *other) {
	uint64_t a = ((const struct arrival *)one)->at, b = ((const struct arrival *)other)->at;

	return a < b ? -1 : a > b;
}

/* When nothing arrived for how long; and the longest such time of each stream. */
static void show_gaps(void) {
	static uint64_t last[MAX_STREAMS], longest[MAX_STREAMS], bytes[MAX_STREAMS], any;
	uint64_t count = notes->arrivals;

	qsort(notes->arrival, count, sizeof(struct arrival), by_time);
	for (uint64_t i = 0; i < count; i++) {
		struct arrival *a = &notes->arrival[i];
		uint32_t s = a->stream % MAX_STREAMS;

		if (any && a->at - any > GAP) printf("talk: gap %lu %lu\n", any, a->at);
		if (last[s] && a->at - last[s] > longest[s]) longest[s] = a->at - last[s];
		last[s] = any = a->at;
		bytes[s] += a->bytes;
	}
	for (uint32_t s = 0; s < MAX_STREAMS; s++)
		if (bytes[s])
			printf("talk: arrived %u: %lu bytes, %lu at most without any\n", s,
			       bytes[s], longest[s]);
	if (count) printf("talk: from %lu to %lu\n", notes->arrival[0].at, any);
}

static int run(const char *address, uint16_t port, uint32_t streams, uint64_t end, uint32_t rate,
	       int report) {
	int peer[MAX_STREAMS];
	uint32_t lines;

	if (!streams || streams > MAX_STREAMS) return 2;
	for (uint32_t i = 0; i < streams; i++)
		peer[i] = reach(address, port, i & 1 ? FROM_SERVER : TO_SERVER, i, rate);
	read_log(log_before);
	printf("talk: begins at %lu\n", (uint64_t)__builtin_ia32_rdtsc());
	fflush(stdout);
	for (uint32_t i = 0; i < streams; i++) {
		if (!fork()) stream_of(peer[i], i, rate, end);
		close(peer[i]);
	}
	if (report && !fork()) send_ticks(address, port, end);
	while (wait(NULL) > 0) continue;
	lines = new_lines();
	if (notes->arrivals > MAX_ARRIVALS) wrong("too many arrivals", 0, notes->arrivals);
	if (report) {
		fetch_report(reach(address, port, REPORT, 0, 0));
		show_gaps();
	}
	printf("talk: %lu wrong, %u lines of the kernel\n", notes->wrong, lines);
	return notes->wrong || lines;
}

/* --- for other programs --- */

static int file(uint64_t size) {
	for (uint64_t place = 0; place < size;) {
		uint64_t left = size - place;
		ssize_t n = write(1, bytes_at(0, place), left < CHUNK ? left : CHUNK);

		if (n <= 0) return 1;
		place += (uint64_t)n;
	}
	return 0;
}

static int left(uint64_t end) {
	uint64_t now = __builtin_ia32_rdtsc();

	printf("%lu\n", now < end ? (end - now) / 1000000000 + 1 : 1);
	return 0;
}

int main(int count, char **words) {
	notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (notes == MAP_FAILED) return 2;
	signal(SIGPIPE, SIG_IGN);
	make_pattern();
	read_log(log_before);
	if (count == 3 && !strcmp(words[1], "serve")) return serve((uint16_t)atoi(words[2]));
	if (count == 3 && !strcmp(words[1], "file")) return file(strtoull(words[2], NULL, 0));
	if (count == 3 && !strcmp(words[1], "left")) return left(strtoull(words[2], NULL, 0));
	if (count < 7 || strcmp(words[1], "run")) return 2;
	return run(words[2], (uint16_t)atoi(words[3]), (uint32_t)atoi(words[4]),
		   strtoull(words[5], NULL, 0), (uint32_t)atoi(words[6]), count > 7);
}
