/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three guests on one network, of which one floods; how its neighbours fare.
 *
 *   isolate answer                            TCP sink and UDP echo
 *   isolate measure ADDRESS NOISY SLOT        of the one that answers
 *   isolate flood OWN ADDRESS SLOT            the noisy one
 *
 * Time goes in slots of the time-stamp counter. The one that measures says when the first
 * begins: in slot 0 the noisy guest is silent and round trips are measured; in slot 1 it
 * sends as its neighbour does, and the neighbour's throughput is the fair one; then
 * two slots for each kind of flood, round trips in the first, throughput in the second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT      5001
#define BEGINS    5002
#define CLOSED    5009
#define CHUNK     65536U
#define FRAME     60U /* and four bytes of checksum make 64 */
#define MAX_TRIPS 65536U

static const char *const kinds[] = {"small", "arp", "broadcast", "fragments", "syn"};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define SLOTS (2 + 2 * KINDS)

static uint64_t begin, slot;
static uint8_t buffer[CHUNK];

static uint64_t now(void) { return __builtin_ia32_rdtsc(); }

static uint64_t start_of(uint32_t n) { return begin + n * slot; }

static void sleep_until(uint64_t at) {
	while (now() < at) usleep(at - now() > 3000000 ? 2000 : 100);
}

static struct sockaddr_in peer_at(const char *address, uint16_t port) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, address, &at.sin_addr);
	return at;
}

/* --- the one that answers --- */

static void echo(void) {
	struct sockaddr_in at = peer_at("0.0.0.0", PORT), from;
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	bind(s, (struct sockaddr *)&at, sizeof(at));
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(s, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size);

		if (n > 0) sendto(s, buffer, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
}

static int answer(void) {
	struct sockaddr_in at = peer_at("0.0.0.0", PORT);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 16)) return 1;
	if (!fork()) echo();
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int peer = accept(listener, NULL, NULL);

		if (peer >= 0 && !fork()) {
			while (recv(peer, buffer, sizeof(buffer), 0) > 0) continue;
			exit(0);
		}
		close(peer);
	}
}

/* --- the one that measures --- */

static int by_size(const void *one, const void *other) {
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return a < b ? -1 : a > b;
}

/* Round trips until the slot's end; one after the other. */
static void trips(const char *name, const char *address, uint64_t end) {
	static uint64_t found[MAX_TRIPS];
	struct sockaddr_in at = peer_at(address, PORT);
	struct timeval patience = {0, 50000};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	uint32_t count = 0, lost = 0;

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	connect(s, (struct sockaddr *)&at, sizeof(at));
	while (now() < end && count < MAX_TRIPS) {
		uint64_t sent = now(), number = sent;

		if (send(s, &number, sizeof(number), 0) != sizeof(number)) continue;
		do {
			if (recv(s, &number, sizeof(number), 0) < 0) number = 0;
		} while (number && number != sent);
		if (number)
			found[count++] = now() - sent;
		else
			lost++;
	}
	close(s);
	qsort(found, count, sizeof(found[0]), by_size);
	printf("isolate: trip %s %lu %lu %u %u\n", name, count ? found[count / 2] : 0,
	       count ? found[count - 1 - count / 100] : 0, count, lost);
}

static int stream_to(const char *address) {
	struct sockaddr_in at = peer_at(address, PORT);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(s, (struct sockaddr *)&at, sizeof(at))) perror("isolate: connect");
	return s;
}

/* Bytes that the peer's kernel has taken until the slot's end. */
static uint64_t stream(const char *address, uint64_t end) {
	struct timeval patience = {0, 1000};
	int s = stream_to(address);
	uint64_t bytes = 0;

	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	while (now() < end) {
		ssize_t n = send(s, buffer, sizeof(buffer), 0);

		if (n > 0) bytes += (uint64_t)n;
	}
	close(s);
	return bytes;
}

/* Tell the noisy one when to begin, until it says that it knows. */
static void agree(const char *noisy) {
	struct sockaddr_in at = peer_at(noisy, BEGINS);
	struct timeval patience = {0, 100000};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	connect(s, (struct sockaddr *)&at, sizeof(at));
	do {
		begin = now() + 300000000;
		send(s, &begin, sizeof(begin), 0);
	} while (recv(s, &begin, sizeof(begin), 0) < 0); /* which it has taken */
	close(s);
}

static void listen_for_begin(void) {
	struct sockaddr_in at = peer_at("0.0.0.0", BEGINS), from;
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t size = sizeof(from);

	bind(s, (struct sockaddr *)&at, sizeof(at));
	while (recvfrom(s, &begin, sizeof(begin), 0, (struct sockaddr *)&from, &size) < 0) continue;
	sendto(s, &begin, sizeof(begin), 0, (struct sockaddr *)&from, size);
	close(s);
}

static int measure(const char *address, const char *noisy) {
	agree(noisy);
	for (uint32_t n = 0; n < SLOTS; n++) {
		const char *name = n < 2 ? "none" : kinds[n / 2 - 1];
		uint64_t end = start_of(n + 1) - slot / 10;

		sleep_until(start_of(n) + slot / 10);
		if (n & 1)
			printf("isolate: stream %s %lu\n", name, stream(address, end));
		else
			trips(name, address, end);
		fflush(stdout);
	}
	printf("isolate: end\n");
	return 0;
}

/* --- the noisy one --- */

struct frame {
	uint8_t to[6], from[6];
	uint16_t type;
	uint8_t body[FRAME - 14];
};

static uint8_t own_mac[6], peer_mac[6];
static uint32_t own_ip, peer_ip; /* as on the wire */
static uint32_t state = 1;

static uint32_t noise(void) {
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void put16(uint8_t *at, uint32_t value) {
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The Internet checksum of `size` bytes, with `sum` of others. */
static uint32_t checksum(const uint8_t *at, uint32_t size, uint32_t sum) {
	for (uint32_t i = 0; i < size; i += 2) sum += (uint32_t)at[i] << 8 | at[i + 1];
	while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* An IPv4 header of 20 bytes; the rest is the transport's. */
static uint8_t *put_ip(struct frame *f, uint8_t protocol, uint32_t fragment, uint32_t to) {
	uint8_t *ip = f->body;

	f->type = htons(0x0800);
	ip[0] = 0x45;
	put16(ip + 2, FRAME - 14);
	put16(ip + 4, noise());
	put16(ip + 6, fragment);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, &own_ip, 4);
	memcpy(ip + 16, &to, 4);
	put16(ip + 10, checksum(ip, 20, 0));
	return ip + 20;
}

static void make_arp(struct frame *f) {
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};

	f->type = htons(0x0806);
	memcpy(f->body, head, sizeof(head));
	memcpy(f->body + 8, own_mac, 6);
	memcpy(f->body + 14, &own_ip, 4);
	memcpy(f->body + 24, &peer_ip, 3);
	f->body[27] = (uint8_t)noise();
}

static void make(struct frame *f, uint32_t kind) {
	uint8_t *at;

	memset(f, 0, sizeof(*f));
	memcpy(f->from, own_mac, 6);
	memcpy(f->to, peer_mac, 6);
	if (kind == 1 || kind == 2) memset(f->to, 0xff, 6);
	if (kind == 1) {
		make_arp(f);
	} else if (kind == 4) {
		at = put_ip(f, IPPROTO_TCP, 0, peer_ip);
		put16(at, 1024 + noise() % 60000);
		put16(at + 2, CLOSED);
		at[12] = 0x50;
		at[13] = 2; /* SYN */
		/* Over the addresses, the protocol and the length as well. */
		put16(at + 16, checksum(f->body + 12, FRAME - 26, IPPROTO_TCP + FRAME - 34));
	} else {
		at = put_ip(f, IPPROTO_UDP, kind == 3 ? 0x2000 : 0,
			    kind == 2 ? 0xffffffff : peer_ip);
		put16(at, CLOSED);
		put16(at + 2, CLOSED);
		put16(at + 4, FRAME - 34);
	}
}

/* Who the peer is on the wire: as its answer to a broadcast question says. */
static void find_peer(int s) {
	struct frame f, got;

	for (;;) {
		memcpy(f.from, own_mac, 6);
		make(&f, 1);
		memcpy(f.body + 24, &peer_ip, 4);
		if (send(s, &f, FRAME, 0) < 0) perror("isolate: send");
		for (int i = 0; i < 100; i++) {
			if (recv(s, &got, sizeof(got), MSG_DONTWAIT) >= 42 &&
			    got.type == htons(0x0806) && !memcmp(got.body + 14, &peer_ip, 4)) {
				memcpy(peer_mac, got.from, 6);
				return;
			}
			usleep(1000);
		}
	}
}

static int packets(void) {
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	struct ifreq ask = {.ifr_name = "eth0"};

	ioctl(s, SIOCGIFHWADDR, &ask);
	memcpy(own_mac, ask.ifr_hwaddr.sa_data, 6);
	ioctl(s, SIOCGIFINDEX, &ask);
	at.sll_ifindex = ask.ifr_ifindex;
	if (bind(s, (struct sockaddr *)&at, sizeof(at))) perror("isolate: bind");
	return s;
}

static int flood(const char *own, const char *address) {
	int s = packets();

	own_ip = peer_at(own, 0).sin_addr.s_addr;
	peer_ip = peer_at(address, 0).sin_addr.s_addr;
	find_peer(s);
	listen_for_begin();
	sleep_until(start_of(1));
	stream(address, start_of(2));
	for (uint32_t n = 2; n < SLOTS; n++) {
		uint64_t sent = 0;

		sleep_until(start_of(n));
		while (now() < start_of(n + 1)) {
			struct frame f;

			make(&f, n / 2 - 1);
			if (send(s, &f, FRAME, 0) > 0) sent++;
		}
		printf("isolate: flood %s %lu\n", kinds[n / 2 - 1], sent);
		fflush(stdout);
	}
	return 0;
}

int main(int count, char **words) {
	signal(SIGPIPE, SIG_IGN);
	if (count == 2 && !strcmp(words[1], "answer")) return answer();
	if (count != 5) return 2;
	slot = strtoull(words[4], NULL, 0);
	return strcmp(words[1], "measure") ? flood(words[2], words[3])
					   : measure(words[2], words[3]);
}
