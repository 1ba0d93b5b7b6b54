/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest of the kill campaign runs: it writes to a raw disk past the page
 * cache, and files to ext4, reads back, and keeps in memory what was acknowledged
 * when. At the end it writes all of that as a report behind the data of the raw
 * disk, where check.py finds it.
 *
 *   writer SECONDS SEED RAW-DISK EXT4-DISK [PAUSE]
 *
 * PAUSE is in microseconds, after each write, read or file; without one it works all the time.
 *
 * The raw disk is REGIONS regions of BLOCKS blocks of 4 KiB; each has one process that
 * writes it, so the last acknowledged write of a block is what must lie there. Each
 * sector of a block says which block, which write and which sector it is, and has a
 * checksum. A file says its number, version and size, and all its bytes follow
 * from these; it is written under another name, synced and renamed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REGIONS     4U
#define BLOCKS      1024U /* of a region */
#define BLOCK       4096U
#define SECTOR      512U
#define MAX_RUN     16U /* blocks of one write */
#define FILES       48U
#define MAX_FILE    65536U
#define MAX_ANSWERS 409600U
#define MAGIC       0x4b524f57U /* "WORK" */
#define REPORT      0x54524f504552414dULL

#define DATA_BYTES ((uint64_t)REGIONS * BLOCKS * BLOCK)

struct sector {
	uint32_t magic, block, sequence, number;
	uint32_t filler[(SECTOR - 20) / 4];
	uint32_t checksum;
};

struct answer {
	uint64_t at; /* time-stamp counter */
	uint32_t worker, kind;
};
enum { WRITE, READ, FLUSH, FILE_SYNC };

/* As check.py reads it. */
struct report {
	uint64_t magic;
	uint32_t regions, blocks, files, answers;
	uint32_t wrong;    /* reads that did not bring what was acknowledged, and errors */
	uint32_t checksum; /* of everything behind this page */
	uint64_t begin, end;
	uint8_t pad[BLOCK - 48];
	uint32_t sequence[REGIONS * BLOCKS];
	uint32_t version[FILES], size[FILES];
	uint8_t pad1[BLOCK - FILES * 8];
	struct answer answer[MAX_ANSWERS];
};

static struct report *shared;
static uint32_t *next_answer;
static volatile uint32_t *stop;
static uint32_t table[256];
static uint64_t noise_state;
static useconds_t pause_us;

static uint32_t noise(void) {
	noise_state ^= noise_state << 13;
	noise_state ^= noise_state >> 7;
	noise_state ^= noise_state << 17;
	return (uint32_t)(noise_state >> 16);
}

static void make_table(void) {
	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320U : 0);
	}
}

static uint32_t crc32(const void *data, size_t size) {
	const uint8_t *byte = data;
	uint32_t crc = ~0U;

	while (size--) crc = table[(uint8_t)(crc ^ *byte++)] ^ crc >> 8;
	return ~crc;
}

/* What cannot be is said at once, and counted. */
static void wrong(const char *what, uint32_t where, uint32_t found, uint32_t expected) {
	__atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
	printf("writer: WRONG: %s at %u: %u, expected %u (%s)\n", what, where, found, expected,
	       strerror(errno));
	fflush(stdout);
}

static void answered(uint32_t worker, uint32_t kind) {
	uint32_t i = __atomic_fetch_add(next_answer, 1, __ATOMIC_RELAXED);

	if (i >= MAX_ANSWERS) return;
	shared->answer[i] = (struct answer){__builtin_ia32_rdtsc(), worker, kind};
}

/* --- the raw disk --- */

static void fill(struct sector *sectors, uint32_t block, uint32_t sequence) {
	for (uint32_t n = 0; n < BLOCK / SECTOR; n++) {
		struct sector *s = &sectors[n];

		*s = (struct sector){MAGIC, block, sequence, n, {0}, 0};
		for (uint32_t i = 0; i < sizeof(s->filler) / 4; i++)
			s->filler[i] = (block * 2654435761U + sequence) ^ (i * 40503U + n);
		s->checksum = crc32(s, SECTOR - 4);
	}
}

static void check(const struct sector *sectors, uint32_t block) {
	uint32_t expected = shared->sequence[block];

	for (uint32_t n = 0; n < BLOCK / SECTOR; n++) {
		const struct sector *s = &sectors[n];

		if (s->sequence != expected)
			wrong("read", block, s->sequence, expected);
		else if (expected && (s->block != block || s->number != n ||
				      s->checksum != crc32(s, SECTOR - 4)))
			wrong("torn", block, s->number, n);
		else
			continue;
		return;
	}
}

static void work_on_region(int disk, uint32_t region) {
	uint8_t *buffer = aligned_alloc(BLOCK, MAX_RUN * BLOCK);
	uint32_t sequence = 0;

	while (!*stop) {
		uint32_t run = noise() % 8 ? 1 + noise() % 2 : 1 + noise() % MAX_RUN;
		uint32_t first = region * BLOCKS + noise() % (BLOCKS - run);
		ssize_t size = run * BLOCK;
		off_t at = (off_t)first * BLOCK;

		usleep(pause_us);
		if (noise() % 4 == 0) {
			if (pread(disk, buffer, size, at) != size) wrong("pread", first, 0, 0);
			answered(region, READ);
			for (uint32_t i = 0; i < run; i++)
				check((struct sector *)(buffer + i * BLOCK), first + i);
			continue;
		}
		sequence++;
		for (uint32_t i = 0; i < run; i++)
			fill((struct sector *)(buffer + i * BLOCK), first + i, sequence);
		if (pwrite(disk, buffer, size, at) != size) wrong("pwrite", first, 0, 0);
		answered(region, WRITE);
		for (uint32_t i = 0; i < run; i++) shared->sequence[first + i] = sequence;
		if (noise() % 16) continue;
		if (fdatasync(disk)) wrong("fdatasync", first, 0, 0);
		answered(region, FLUSH);
	}
}

/* --- ext4 --- */

static void work_on_files(void) {
	static uint32_t words[MAX_FILE / 4];

	while (!*stop) {
		uint32_t n = noise() % FILES, version = shared->version[n] + 1;
		uint32_t size = 16 + noise() % (noise() % 4 ? 4096 : MAX_FILE - 16);
		char name[32], final[32];
		int file;

		usleep(pause_us);
		snprintf(name, sizeof(name), "/mnt/new%u", n);
		snprintf(final, sizeof(final), "/mnt/file%u", n);
		words[0] = MAGIC, words[1] = n, words[2] = version, words[3] = size;
		for (uint32_t i = 4; i < MAX_FILE / 4; i++)
			words[i] = (n * 2654435761U + version) ^ i * 40503U;
		file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (file < 0 || write(file, words, size) != (ssize_t)size || fsync(file))
			wrong("file", n, version, size);
		answered(REGIONS, FILE_SYNC);
		close(file);
		if (rename(name, final)) wrong("rename", n, version, size);
		file = open("/mnt", O_RDONLY | O_DIRECTORY);
		if (fsync(file)) wrong("fsync of the folder", n, version, size);
		answered(REGIONS, FILE_SYNC);
		close(file);
		shared->version[n] = version;
		shared->size[n] = size;
	}
}

/* --- all of it --- */

/*
 * Never idle: under -icount an idle machine would jump to its next timer. Each of
 * these system calls has an effect that shows whether it was done once.
 */
static void spin(void) {
	int file = open("/spin", O_RDWR | O_CREAT, 0600);
	off_t expected = 0;

	while (!*stop) {
		off_t found = lseek(file, 1, SEEK_CUR);

		if (found != ++expected) wrong("lseek", 0, found, expected);
		expected = found;
	}
}

static void start(uint32_t worker, uint64_t seed, int disk) {
	struct sched_param lowest = {0};

	if (fork()) return;
	if (worker > REGIONS) sched_setscheduler(0, SCHED_IDLE, &lowest);
	noise_state = (seed * 1000 + worker + 1) * 0x9e3779b97f4a7c15ULL;
	if (worker < REGIONS)
		work_on_region(disk, worker);
	else if (worker == REGIONS)
		work_on_files();
	else
		spin();
	_exit(0);
}

/* Lines of the kernel's log that are errors. */
static uint32_t kernel_errors(void) {
	static char text[1 << 18];
	int length = klogctl(3, text, sizeof(text) - 1);
	uint32_t errors = 0;

	for (char *line = strtok(text, "\n"); line && length > 0; line = strtok(NULL, "\n")) {
		if (line[0] != '<' || (atoi(line + 1) & 7) > 3) continue;
		printf("writer: kernel: %s\n", line);
		errors++;
	}
	return errors;
}

static void *share(size_t size) {
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void write_report(int disk) {
	shared->answers = *next_answer < MAX_ANSWERS ? *next_answer : MAX_ANSWERS;
	shared->checksum = crc32((uint8_t *)shared + BLOCK, sizeof(*shared) - BLOCK);
	for (size_t at = 0; at < sizeof(*shared);) {
		size_t size = sizeof(*shared) - at;
		ssize_t done = pwrite(disk, (uint8_t *)shared + at, size < 1 << 18 ? size : 1 << 18,
				      DATA_BYTES + at);

		if (done <= 0) {
			wrong("report", at, 0, 0);
			return;
		}
		at += done;
	}
	if (fsync(disk)) wrong("fsync of the report", 0, 0, 0);
}

int main(int count, char **words) {
	struct timespec duration = {0};
	uint32_t errors;
	uint64_t seed;
	int disk;

	if (count != 5 && count != 6) return 2;
	_Static_assert(sizeof(struct report) % BLOCK == 0,
		       "the report can be written past the cache");
	duration.tv_sec = atoi(words[1]);
	seed = strtoull(words[2], NULL, 0);
	if (count == 6) pause_us = (useconds_t)atoi(words[5]);
	make_table();
	shared = share(sizeof(*shared));
	next_answer = share(BLOCK);
	stop = (uint32_t *)share(BLOCK);
	disk = open(words[3], O_RDWR | O_DIRECT);
	mkdir("/mnt", 0755);
	if (disk < 0 || mount(words[4], "/mnt", "ext4", 0, "")) {
		perror("writer: a disk");
		return 1;
	}
	shared->magic = REPORT;
	shared->regions = REGIONS;
	shared->blocks = BLOCKS;
	shared->files = FILES;
	shared->begin = __builtin_ia32_rdtsc();
	printf("writer: begins at %lu\n", shared->begin);
	fflush(stdout);
	/* The last one is never done: under -icount an idle machine would jump to its next timer.
	 */
	for (uint32_t i = 0; i <= REGIONS + !pause_us; i++) start(i, seed, disk);
	nanosleep(&duration, NULL);
	*stop = 1;
	while (wait(NULL) > 0) continue;
	shared->end = __builtin_ia32_rdtsc();
	printf("writer: ends at %lu\n", shared->end);
	if (umount("/mnt")) wrong("umount", 0, 0, 0);
	write_report(disk);
	errors = kernel_errors();
	printf("writer: %u answers, %u wrong, %u errors of the kernel\n", *next_answer,
	       shared->wrong, errors);
	return 0;
}
