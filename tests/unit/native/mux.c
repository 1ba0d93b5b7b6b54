/* SPDX-License-Identifier: BSD-2-Clause */
/* The console multiplexer: lines, focus, keys, ends, and guests that lie. */
#include "native.h"

#include "servers/console/mux.h"

#define G1 1U
#define G2 2U

static struct serial_page page;
static struct xencons_interface guest[3];
static struct mux mux;
static struct ring tx, rx; /* the driver's ends */
static char line_out[100000];
static uint32_t line_length;
static uint64_t now;
static char sunk[256], commanded[64];

static void sink(const struct source *source, const char *line, uint32_t length) {
	rt_format(sunk, sizeof(sunk), "%s: %.*s", source->name, (int)length, line);
}

static bool command(const char *line) { return rt_strcopy(commanded, line, sizeof(commanded)); }

static void start_server(void) {
	memset(&mux, 0, sizeof(mux));
	mux_init(&mux, &page);
	mux.key = 1;
	mux.sink = sink;
	mux.send_command = command;
	strcpy(mux.source[G1].name, "g1");
	strcpy(mux.source[G2].name, "g2");
	mux_attach(&mux, G1, &guest[G1], 0);
	mux_attach(&mux, G2, &guest[G2], 0);
	mux_start(&mux);
}

static void start(void) {
	memset(&page, 0, sizeof(page));
	memset(guest, 0, sizeof(guest));
	line_length = 0;
	now = 1000;
	start_server();
	ring_attach_consumer(&tx, &page.tx, page.tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_producer(&rx, &page.rx, page.rx_data, SERIAL_RX_SIZE, 1);
}

/* A guest writes, as far as its ring has room. */
static void say(unsigned n, const char *text) {
	for (; *text; text++) {
		CHECK(guest[n].out_prod - guest[n].out_cons < XENCONS_OUT_SIZE);
		guest[n].out[guest[n].out_prod++ % XENCONS_OUT_SIZE] = *text;
	}
}

static void pump(void) {
	bool more;

	do {
		more = mux_input(&mux);
		more |= mux_output(&mux, now);
		line_length += ring_get(&tx, line_out + line_length,
					(uint32_t)sizeof(line_out) - 1 - line_length);
		ring_release(&tx);
	} while (more);
	now += 50000000; /* long enough for others to break into a raw line */
	mux_output(&mux, now);
	line_length +=
		ring_get(&tx, line_out + line_length, (uint32_t)sizeof(line_out) - 1 - line_length);
	ring_release(&tx);
	line_out[line_length] = '\0';
}

static void shows(const char *wanted) {
	pump();
	if (strcmp(line_out, wanted)) printf("# wanted [%s]\n# found  [%s]\n", wanted, line_out);
	CHECK(!strcmp(line_out, wanted));
	line_length = 0;
}

static void type(const char *keys) {
	CHECK(ring_put(&rx, keys, (uint32_t)strlen(keys)) == strlen(keys));
	ring_publish(&rx);
	pump();
}

/* What a guest was sent, which it takes. */
static void gets(unsigned n, const char *wanted) {
	for (; *wanted; wanted++)
		CHECK(guest[n].in_cons != guest[n].in_prod &&
		      guest[n].in[guest[n].in_cons++ % XENCONS_IN_SIZE] == *wanted);
	CHECK(guest[n].in_cons == guest[n].in_prod);
}

static void test_lines(void) {
	start();
	/* The first guest has the focus: raw. The other one by lines. */
	say(G1, "\033[1mboot\r\n$ ");
	say(G2, "one\r\ntwo\nthr");
	shows("\033[1mboot\r\ng2| one\r\n$ \r\ng2| two\r\n");
	say(G2, "ee\n");
	say(G1, "ls\r\n");
	shows("ls\r\ng2| three\r\n");
}

/* Others do not break into what the focused guest is writing, but do not wait for ever. */
static void test_manners(void) {
	unsigned rounds = 0;

	start();
	say(G1, "lin");
	mux_output(&mux, now);
	say(G2, "other\n");
	mux_output(&mux, now + 1000);
	CHECK(guest[G2].out_cons == 0 && mux.deadline > now);
	say(G1, "e 1\r\n");
	shows("line 1\r\ng2| other\r\n");
	/* A line without an end. */
	say(G2, "enough\n");
	while (guest[G2].out_cons != guest[G2].out_prod) {
		CHECK(++rounds < 100);
		say(G1, ".");
		now += 10000000;
		mux_output(&mux, now);
	}
	CHECK(rounds > 10);
}

static void test_unfinished(void) {
	start();
	say(G2, "login: ");
	shows("");
	CHECK(mux.deadline > now);
	now = mux.deadline;
	shows("g2| login: ");
	say(G2, "root\n");
	shows("root\r\n");
	/* Somebody else comes between. */
	say(G2, "half");
	now += 1000000000;
	pump();
	now += 1000000000;
	shows("g2| half");
	say(G1, "x");
	shows("\r\nx");
	say(G2, " done\n");
	shows("\r\ng2|  done\r\n");
}

static void test_filter(void) {
	char clean[64];

	start();
	say(G2, "\033[31mred\033[0m \033]0;title\a\ta\bb\x7f\xc3\xa4\xc2\x85\xff\n");
	shows("g2| red \ta?b?\xc3\xa4???\r\n");
	/* Sequences without an end swallow the piece, not what is behind it. */
	CHECK(filter_text("a\033[123", 6, clean) == 1);
	CHECK(filter_text("a\033", 2, clean) == 1);
	CHECK(filter_text("\xe2\x82", 2, clean) == 2 && clean[0] == '?');
}

static void test_long_line(void) {
	char text[601], wanted[700];

	start();
	memset(text, 'y', 600);
	text[600] = '\0';
	say(G2, text);
	say(G2, "\n");
	rt_format(wanted, sizeof(wanted), "g2| %s\r\n", text);
	shows(wanted);
}

static void test_keys(void) {
	start();
	type("abc\r");
	gets(G1, "abc\r");
	type("\001nxyz");
	gets(G2, "xyz");
	gets(G1, "");
	shows("\r\n[g2]\r\n");
	type("\001a\001\001");
	gets(G2, "\001\001");
	type("\001m");
	type("nobody");
	gets(G1, "");
	gets(G2, "");
	shows("\r\n[merged]\r\n");
	say(G1, "a\n");
	say(G2, "b\n");
	shows("g1| a\r\ng2| b\r\n");
	type("\001p");
	shows("\r\n[g2]\r\n");
}

static void test_command(void) {
	start();
	type("\001cpx\bs\rq");
	CHECK(!strcmp(commanded, "ps"));
	gets(G1, "q");
	shows("\r\n[root] px\b \bs\r\n");
	commanded[0] = '\0';
	type("\001cabc\003\001cfocus g2\rk");
	CHECK(!commanded[0]);
	gets(G2, "k");
	type("\001cfocus nowhere\r");
	line_length = 0;
	mux.send_command = NULL;
	type("\001cps\r");
	shows("\r\n[root] ps\r\nroot takes no commands from here\r\n");
}

static void test_guest_that_does_not_read(void) {
	char text[257];

	start();
	memset(text, 'z', 256);
	text[256] = '\0';
	for (unsigned i = 0; i < 4; i++) type(text);
	/* Its ring is full: the rest stays in rx. */
	type("tail");
	CHECK(guest[G1].in_prod == XENCONS_IN_SIZE && ring_unread(&rx) == 4);
	guest[G1].in_cons += 1000;
	pump();
	CHECK(guest[G1].in_prod == XENCONS_IN_SIZE + 4 && !ring_unread(&rx));
	/* Full again; the switch key is found behind what nobody takes. */
	while (!ring_unread(&rx)) type(text);
	type("\001nhi");
	gets(G2, "hi");
	CHECK(mux.dropped_input);
}

static void test_lies(void) {
	start();
	guest[G1].out_prod = 5000;
	shows("");
	CHECK(mux.source[G1].lies == 1 && guest[G1].out_cons == 5000);
	say(G1, "sane again\n");
	shows("sane again\n");
	guest[G1].in_cons = 77;
	type("x");
	CHECK(mux.source[G1].lies > 1 && guest[G1].in_prod == 0);
	guest[G1].in_cons = 0;
	pump();
	gets(G1, "x");
	/* Its idea of out_cons is not asked for. */
	guest[G1].out_cons = 1234;
	guest[G1].out[guest[G1].out_prod++ % XENCONS_OUT_SIZE] = '!';
	shows("!");
}

static void test_raw_mode(void) {
	start();
	mux.raw = G1;
	say(G1, "\033[2Jscreen");
	say(G2, "to the \033[1mlog\n");
	shows("\033[2Jscreen");
	CHECK(!strcmp(sunk, "g2: to the log"));
	type("\001n");
	gets(G1, "\001n");
	CHECK(guest[G2].out_cons == guest[G2].out_prod);
}

static void test_end(void) {
	start();
	say(G2, "last words");
	CHECK(!mux_detach(&mux, G2));
	CHECK(mux_output(&mux, now) || true);
	/* The ring has them, the line has not. */
	CHECK(guest[G2].out_cons == guest[G2].out_prod && !mux_detach(&mux, G2));
	shows("g2| last words");
	CHECK(mux_detach(&mux, G2) && !mux.source[G2].ring);
	CHECK(mux_detach(&mux, G2));
	/* The next incarnation begins a line of its own. */
	memset(&guest[G2], 0, sizeof(guest[G2]));
	mux_attach(&mux, G2, &guest[G2], 1);
	say(G1, "x\n");
	say(G2, "new\n");
	pump();
	CHECK(strstr(line_out, "g2| new\r\n") || strstr(line_out, "new\r\n"));
}

int main(void) {
	static const struct test tests[] = {
		{"the focused guest raw, others by lines", test_lines},
		{"others wait for the end of a line", test_manners},
		{"unfinished lines", test_unfinished},
		{"what a terminal would obey", test_filter},
		{"lines longer than a chunk", test_long_line},
		{"keys go to the focused guest", test_keys},
		{"commands", test_command},
		{"a guest that does not read", test_guest_that_does_not_read},
		{"guests that lie about indices", test_lies},
		{"raw mode", test_raw_mode},
		{"a guest ends and comes back", test_end},
	};

	return RUN("mux", tests);
}
