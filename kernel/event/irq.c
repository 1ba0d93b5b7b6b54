/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical interrupt lines for driver domains.
 *
 * An interrupt is told to every domain bound to its line, and the line is quiet
 * until the last of them has acknowledged. A level-triggered line is masked
 * meanwhile: an earlier unmask would only bring the same interrupt again. An edge
 * on a masked line would be lost, so an edge-triggered line stays open for one
 * more, which is remembered (and masks the line: others would say the same) and
 * told after the acknowledgement. Drivers need not know the difference, and a
 * device that never stops costs two interrupts per acknowledgement.
 */
#include "event/channel.h"

#include "cpu/cpu.h"

#define IRQ_LINES  (VECTOR_IRQ_LAST - VECTOR_IRQ_FIRST + 1)
#define IRQ_SHARED 4 /* domains per line */

struct irq_user {
	struct domain *domain; /* NULL = free */
	u32 port;
	bool busy; /* told, and not acknowledged yet */
};

struct irq_line {
	struct irq_user users[IRQ_SHARED];
	bool level;
	bool again; /* edge: it came while somebody was busy */
};

static struct irq_line lines[IRQ_LINES];
/* Protects lines. Nests inside bindings_lock (event/channel.c), outside plan locks. */
static struct lock irq_lock;

static struct irq_user *user_of(struct irq_line *line, const struct domain *d) REQUIRES(irq_lock) {
	unsigned i;

	for (i = 0; i < IRQ_SHARED; i++)
		if (line->users[i].domain == d) return &line->users[i];
	return NULL;
}

static void line_tell(struct irq_line *line) REQUIRES(irq_lock) {
	unsigned i;

	for (i = 0; i < IRQ_SHARED; i++) {
		struct irq_user *user = &line->users[i];

		if (user->domain && user->port) {
			user->busy = true;
			channel_set_pending(user->domain, user->port);
		}
	}
}

static bool line_busy(const struct irq_line *line) REQUIRES(irq_lock) {
	bool busy = false;
	unsigned i;

	for (i = 0; i < IRQ_SHARED; i++) busy |= line->users[i].busy;
	return busy;
}

/* A user has come, gone or acknowledged: tells what waited, opens or closes the line. */
static void line_settle(u32 gsi) REQUIRES(irq_lock) {
	struct irq_line *line = &lines[gsi];
	bool used = false;
	unsigned i;

	for (i = 0; i < IRQ_SHARED; i++) used |= line->users[i].domain != NULL;
	if (line->again && !line_busy(line)) {
		line->again = false;
		line_tell(line);
	}
	ioapic_mask(gsi, !used || line->again || (line->level && line_busy(line)));
}

/* The user's slot is taken first, so that the line's port always has a user. */
static int line_join(struct domain *d, u32 gsi, bool level, bool low) {
	struct irq_user *user;
	bool first = true;
	unsigned i;
	int status = -EEXIST;

	lock_take(&irq_lock);
	for (i = 0; i < IRQ_SHARED; i++) first &= !lines[gsi].users[i].domain;
	if (!user_of(&lines[gsi], d)) {
		user = user_of(&lines[gsi], NULL);
		status = !user   ? -EBUSY
			 : first ? ioapic_route(gsi, (u8)(VECTOR_IRQ_FIRST + gsi), level, low)
				 : 0;
		if (!status) {
			*user = (struct irq_user){.domain = d};
			if (first) lines[gsi].level = level;
		}
	}
	lock_drop(&irq_lock);
	return status;
}

int irq_bind(struct domain *d, u32 gsi, u32 port, u32 flags) {
	long bound;
	int status;

	if ((flags & ~(IRQ_LEVEL | IRQ_LOW)) || gsi >= IRQ_LINES || gsi >= ioapic_lines)
		return -EINVAL;
	status = line_join(d, gsi, flags & IRQ_LEVEL, flags & IRQ_LOW);
	if (status) return status;
	bound = channel_bind_pirq(d, port, gsi);
	if (bound < 0) {
		irq_unbind(d, gsi);
		return (int)bound;
	}
	lock_take(&irq_lock);
	user_of(&lines[gsi], d)->port = (u32)bound;
	line_settle(gsi);
	lock_drop(&irq_lock);
	return (int)bound;
}

void irq_unbind(struct domain *d, u32 gsi) {
	struct irq_user *user;

	lock_take(&irq_lock);
	user = user_of(&lines[gsi], d);
	if (user) {
		*user = (struct irq_user){0};
		line_settle(gsi);
	}
	lock_drop(&irq_lock);
}

int irq_acknowledge(struct domain *d, u32 gsi) {
	struct irq_user *user;
	int status = -EINVAL;

	if (gsi >= IRQ_LINES) return status;
	lock_take(&irq_lock);
	user = user_of(&lines[gsi], d);
	if (user) {
		status = 0;
		if (user->busy) {
			user->busy = false;
			line_settle(gsi);
		}
	}
	lock_drop(&irq_lock);
	return status;
}

void irq_release(struct domain *d, u32 first, u32 count) {
	u32 gsi, port;

	for (gsi = first; gsi < IRQ_LINES && gsi - first < count; gsi++) {
		struct irq_user *user;

		lock_take(&irq_lock);
		user = user_of(&lines[gsi], d);
		port = user ? user->port : 0;
		lock_drop(&irq_lock);
		if (port) channel_close(d, port); /* comes back to irq_unbind */
	}
}

void irq_deliver(u32 gsi) {
	struct irq_line *line;

	if (gsi >= IRQ_LINES) return;
	line = &lines[gsi];
	lock_take(&irq_lock);
	if (!line->level && line_busy(line))
		line->again = true;
	else
		line_tell(line);
	line_settle(gsi);
	lock_drop(&irq_lock);
}
