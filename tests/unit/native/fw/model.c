/* SPDX-License-Identifier: BSD-2-Clause */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "proto/rules.h"

#define SECOND 1000000000ULL
#define FIN    1
#define SYN    2
#define RST    4
#define ACK    16

struct event {
	int side; /* 0: who began */
	struct said frame;
};

/* One connection: all of its frames that passed. */
struct story {
	bool used, inward;
	uint8_t local[16], remote[16], protocol;
	uint16_t lport, rport, vlan;
	int family;
	uint64_t last;
	int count, room;
	struct event *event;
};

#define STORIES 1024
static struct story story[STORIES];

void model_reset(void) {
	for (int i = 0; i < STORIES; i++) free(story[i].event);
	memset(story, 0, sizeof(story));
}

/* --- what the frames of a connection say --- */

struct view {
	bool syn[2], fin[2], rst, open, loose;
	int64_t first, end[2], limit[2], window[2];
	int scale[2];
};

static int64_t offered(const struct view *v, const struct event *e) {
	bool scaled = !(e->frame.flags & SYN) && v->scale[0] >= 0 && v->scale[1] >= 0;

	return scaled ? (int64_t)e->frame.window << v->scale[e->side] : e->frame.window;
}

static int64_t end_of(const struct said *f) {
	return f->seq + f->length + !!(f->flags & SYN) + !!(f->flags & FIN);
}

static void learn(struct view *v, const struct event *e) {
	int me = e->side, other = !me;
	int64_t window, end = end_of(&e->frame);

	if (e->frame.fragment) v->loose = true;
	if (e->frame.flags & FIN) v->fin[me] = true;
	if (e->frame.flags & RST) {
		v->rst = true;
		return;
	}
	if (e->frame.flags & SYN && !v->syn[me]) {
		v->syn[me] = true;
		v->scale[me] = e->frame.scale;
		v->end[me] = end;
		v->limit[me] = e->frame.seq + 1;
		v->window[me] = e->frame.window ? e->frame.window : 1;
		if (me == 0) {
			v->first = e->frame.seq;
			return;
		}
	}
	if (!(e->frame.flags & SYN) && me == 0) v->open = true;
	window = offered(v, e);
	if (window > v->window[me]) v->window[me] = window;
	if (end > v->end[me]) v->end[me] = end;
	if (end > v->limit[me]) {
		v->window[other] += end - v->limit[me];
		v->limit[me] = end;
	}
	if (e->frame.flags & ACK && e->frame.ack + window > v->limit[other])
		v->limit[other] = e->frame.ack + window;
}

static struct view look(const struct story *s) {
	struct view v = {.scale = {-1, -1}};

	for (int i = 0; i < s->count; i++) learn(&v, &s->event[i]);
	return v;
}

static uint64_t seconds(const struct story *s) {
	struct view v;

	if (s->protocol != 6) {
		bool answered = false;

		for (int i = 0; i < s->count; i++) answered |= s->event[i].side == 1;
		if (s->protocol == 17) return answered ? 180 : 30;
		if (s->protocol == 1 || s->protocol == 58) return 30;
		return answered ? 600 : 60;
	}
	v = look(s);
	if (v.rst) return 10;
	if (v.fin[0] && v.fin[1]) return 60;
	if (v.fin[0] || v.fin[1]) return 300;
	return v.open ? 86400 : 60;
}

static bool fits(const struct view *v, int me, const struct said *f) {
	int64_t back = v->window[me] > 66000 ? v->window[me] : 66000;

	if (v->loose) return true;
	if (!v->syn[0] || !v->syn[1]) return false;
	if (f->seq > v->limit[me] || end_of(f) < v->end[me] - v->window[!me]) return false;
	return !(f->flags & ACK) || (f->ack <= v->end[!me] && f->ack >= v->end[!me] - back);
}

#define PASS   1 /* nothing is learned */
#define TELL   2 /* one frame more */
#define RETELL 3 /* a connection begins, in the place of another one if there is one */

static uint32_t judge_tcp(const struct story *s, int side, const struct said *f, int *what) {
	int flags = f->flags & (FIN | SYN | RST | ACK);
	struct view v;
	bool unanswered, good;

	*what = PASS;
	if (!flags || (flags & SYN && flags & (FIN | RST)) || (flags & FIN && flags & RST) ||
	    (flags & FIN && !(flags & ACK)))
		return RULES_INVALID;
	if (!s) {
		*what = RETELL;
		return flags == SYN ? RULES_NEW : RULES_INVALID;
	}
	v = look(s);
	unanswered = !v.syn[1] && !v.rst && !v.fin[0] && !v.fin[1];
	if (flags == SYN) {
		bool over = v.rst || (v.fin[0] && v.fin[1]);

		*what = over || (unanswered && side == 0) ? RETELL : unanswered ? TELL : PASS;
		return *what == RETELL ? RULES_NEW : RULES_ESTABLISHED;
	}
	good = unanswered ? side == 1 && flags & ACK && f->ack > v.first && f->ack <= v.end[0]
			  : fits(&v, side, f);
	*what = TELL;
	if (flags & SYN)
		return good && !v.rst && !v.fin[0] && !v.fin[1] ? RULES_ESTABLISHED : RULES_INVALID;
	if (flags & RST) {
		if (unanswered && v.loose) good = fits(&v, side, f);
		if (unanswered && !v.loose && side == 0) good = f->seq == v.end[0];
		return !good                     ? RULES_INVALID
		       : unanswered && side == 0 ? RULES_NEW
						 : RULES_ESTABLISHED;
	}
	return good && !unanswered ? RULES_ESTABLISHED : RULES_INVALID;
}

/* --- which connection --- */

static struct story *find(const struct story *like, uint64_t now) {
	for (int i = 0; i < STORIES; i++) {
		struct story *s = &story[i];

		if (!s->used || s->family != like->family || s->protocol != like->protocol ||
		    s->vlan != like->vlan || s->lport != like->lport || s->rport != like->rport ||
		    memcmp(s->local, like->local, 16) != 0 ||
		    memcmp(s->remote, like->remote, 16) != 0)
			continue;
		if (now - s->last < seconds(s) * SECOND) return s;
		s->used = false;
	}
	return NULL;
}

static struct story like(const struct said *f) {
	struct story s = {.family = f->family, .protocol = f->protocol, .vlan = f->vlan};
	uint16_t a = f->sport, b = f->dport;

	if (f->protocol != 6 && f->protocol != 17) a = b = 0;
	memcpy(f->outward ? s.local : s.remote, f->src, 16);
	memcpy(f->outward ? s.remote : s.local, f->dst, 16);
	s.lport = f->outward ? a : b;
	s.rport = f->outward ? b : a;
	if (f->protocol == 1 || f->protocol == 58) {
		bool question = f->family == 6 ? f->type == 128 : f->type == 8;

		s.lport = f->id;
		s.rport = question == f->outward; /* the VIF asks */
	}
	return s;
}

static uint32_t about(const struct said *f, uint64_t now) {
	struct said g = {.outward = !f->outward, .family = 4, .vlan = f->vlan};
	struct story s;

	g.protocol = f->about_protocol;
	memcpy(g.src, f->about_src, 4);
	memcpy(g.dst, f->about_dst, 4);
	g.sport = f->about_sport;
	g.dport = f->about_dport;
	s = like(&g);
	return find(&s, now) ? RULES_RELATED : RULES_INVALID;
}

static uint32_t state_of(const struct said *f, uint64_t now, struct story **found, int *side,
			 int *what) {
	struct story s = like(f);
	bool question = f->family == 6 ? f->type == 128 : f->type == 8;

	*found = NULL;
	*what = PASS;
	if (!f->family) return RULES_UNTRACKED;
	if (f->quotes) return about(f, now);
	if ((f->protocol == 1 || f->protocol == 58) && !question && f->type != 0 && f->type != 129)
		return RULES_UNTRACKED;
	*found = find(&s, now);
	*side = *found && (*found)->inward == f->outward;
	if (f->protocol == 6) return judge_tcp(*found, *side, f, what);
	*what = *found ? TELL : RETELL;
	if ((f->protocol == 1 || f->protocol == 58) && question != (*side == 0))
		return RULES_INVALID;
	for (int i = 0; *found && i < (*found)->count; i++)
		if ((*found)->event[i].side) return RULES_ESTABLISHED;
	return *side ? RULES_ESTABLISHED : RULES_NEW;
}

static void tell(const struct said *f, uint64_t now, struct story *s, int side, bool anew) {
	bool was_reset = s && s->protocol == 6 && look(s).rst;

	if (!s) {
		for (s = story; s->used;)
			if (++s == story + STORIES) abort();
		free(s->event);
		*s = like(f);
	}
	if (anew) {
		s->used = true;
		s->inward = !f->outward;
		s->count = side = 0;
	}
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 8;
		s->event = realloc(s->event, (size_t)s->room * sizeof(*s->event));
	}
	s->event[s->count++] = (struct event){side, *f};
	if (anew || !was_reset) s->last = now;
}

/* --- rules --- */

static bool same_bits(const uint8_t *a, const uint8_t *b, int bits) {
	for (int i = 0; i < bits; i++)
		if ((a[i / 8] >> (7 - i % 8) & 1) != (b[i / 8] >> (7 - i % 8) & 1)) return false;
	return true;
}

/* The number that a condition is about; -1: the frame has none. */
static int number_of(const struct said *f, uint32_t bit) {
	bool ports = f->family && (f->protocol == 6 || f->protocol == 17);
	bool icmp = (f->family == 4 && f->protocol == 1) || (f->family == 6 && f->protocol == 58);

	switch (bit) {
	case RULES_ETHERTYPE: return f->ethertype;
	case RULES_VLAN: return f->vlan;
	case RULES_PROTOCOL: return f->family ? f->protocol : -1;
	case RULES_SPORT: return ports ? f->sport : -1;
	case RULES_DPORT: return ports ? f->dport : -1;
	default: return icmp ? f->type << 8 | f->code : -1;
	}
}

static bool limit_holds(struct said_rule *r, const struct said_condition *c, const struct said *f,
			uint64_t now) {
	__int128 cost = (__int128)(c->in_bytes ? f->total : 1) * SECOND;

	r->tokens += (__int128)(now - r->filled) * c->rate;
	if (r->tokens > (__int128)c->burst * SECOND) r->tokens = (__int128)c->burst * SECOND;
	r->filled = now;
	if (r->tokens < cost) return false;
	r->tokens -= cost;
	return true;
}

static bool holds(struct said_rule *r, const struct said_condition *c, const struct said *f,
		  uint32_t state, uint64_t now) {
	bool found = false, address = c->bit == RULES_SRC || c->bit == RULES_DST;
	int number = number_of(f, c->bit);

	switch (c->bit) {
	case RULES_STATE: return !!(c->mask & state) != c->negate;
	case RULES_LIMIT: return limit_holds(r, c, f, now) != c->negate;
	case RULES_FRAGMENT: return f->family && f->fragment != c->negate;
	case RULES_TCP_FLAGS:
		return f->family && f->protocol == 6 &&
		       ((f->flags & c->mask) == c->value) != c->negate;
	case RULES_SMAC:
	case RULES_DMAC: break;
	default:
		if (address ? !f->family && !f->arp : number < 0) return false;
	}
	for (int i = 0; i < c->count; i++) {
		if (c->bit == RULES_SMAC || c->bit == RULES_DMAC)
			found |= same_bits(c->bit == RULES_SMAC ? f->smac : f->dmac, c->bytes[i],
					   c->bits[i]);
		else if (address)
			found |= c->family[i] == (f->arp ? 4 : f->family) &&
				 same_bits(c->bit == RULES_SRC ? f->src : f->dst, c->bytes[i],
					   c->bits[i]);
		else
			found |= c->first[i] <= number && number <= c->last[i];
	}
	return found != c->negate;
}

/* The limit only if all others hold. */
static bool applies(struct said_rule *r, const struct said *f, uint32_t state, uint64_t now) {
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < r->count; i++)
			if ((r->condition[i].bit == RULES_LIMIT) == pass &&
			    !holds(r, &r->condition[i], f, state, now))
				return false;
	return true;
}

/* 10.0.0.0/30, 2001:db8::/126, and the MAC address that ends with 1. */
static bool is_mine(const struct said *f) {
	static const uint8_t four[4] = {10}, six[16] = {0x20, 1, 0x0d, 0xb8};

	if (f->smac[5] != 1) return false;
	if (f->arp || f->family == 4) return same_bits(f->src, four, 30);
	return f->family != 6 || same_bits(f->src, six, 126);
}

void model_judge(struct said_rules *rules, const struct said *frame, uint64_t now, bool check,
		 struct said_verdict *verdict) {
	struct story *found;
	int side = 0, what;

	*verdict = (struct said_verdict){.action = RULES_DROP, .rule = ~0U};
	verdict->spoofed = check && frame->outward && !is_mine(frame);
	if (verdict->spoofed) return;
	verdict->state = state_of(frame, now, &found, &side, &what);
	for (int i = 0; i < rules->count; i++) {
		struct said_rule *r = &rules->rule[i];

		if (!applies(r, frame, verdict->state, now)) continue;
		if (r->flags & RULES_LOG) verdict->log = true;
		if (r->action == RULES_CONTINUE) continue;
		verdict->action = r->action;
		verdict->rule = (uint32_t)i;
		break;
	}
	if (verdict->action == RULES_ACCEPT && what != PASS && verdict->state != RULES_INVALID)
		tell(frame, now, found, side, what == RETELL);
}
