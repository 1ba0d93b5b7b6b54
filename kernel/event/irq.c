/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical interrupts for driver domains: lines, and messages that devices write.
 *
 * An interrupt is told to every domain bound to its line, and the line is quiet
 * until the last of them has acknowledged. A level-triggered line is masked
 * meanwhile: an earlier unmask would only bring the same interrupt again. An edge
 * on a masked line would be lost, so an edge-triggered line stays open for one
 * more, which is remembered (and masks the line: others would say the same) and
 * told after the acknowledgement. Drivers need not know the difference, and a
 * device that never stops costs two interrupts per acknowledgement.
 *
 * A message is an edge that has no mask, and nothing is gained by waiting: it is told
 * at once, needs no acknowledgement, and those that come before the domain has looked
 * are one, as the port's pending bit is. Lines are numbered by GSI, messages from IRQ_MSI on; here
 * all of them lie in one array, whose index also gives the vector.
 */
#include "event/channel.h"

#include "cpu/cpu.h"
#include "iommu/vtd.h"

#define IRQ_LINES  (VECTOR_IRQ_LAST - VECTOR_IRQ_FIRST + 1)
#define MSI_FIRST  (IRQ_LINES - MSI_LINES) /* index */
#define IRQ_SHARED 4                       /* domains per line */

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

/* Nests inside bindings_lock (event/channel.c), outside plan locks. */
static struct lock irq_lock;
static struct irq_line lines[IRQ_LINES] GUARDED_BY(irq_lock);

/* The place of an interrupt in lines; IRQ_LINES: there is no such interrupt. */
static u32 line_index(u32 irq) {
	if (irq - IRQ_MSI < MSI_LINES) return MSI_FIRST + (irq - IRQ_MSI);
	return irq < ioapic_lines && irq < MSI_FIRST ? irq : IRQ_LINES;
}

static struct irq_user *user_of(struct irq_line *line, const struct domain *d) REQUIRES(irq_lock) {
	for (unsigned i = 0; i < IRQ_SHARED; i++)
		if (line->users[i].domain == d) return &line->users[i];
	return NULL;
}

static void line_tell(struct irq_line *line) REQUIRES(irq_lock) {
	for (unsigned i = 0; i < IRQ_SHARED; i++) {
		struct irq_user *user = &line->users[i];

		if (user->domain && user->port) {
			user->busy = line < &lines[MSI_FIRST];
			channel_set_pending(user->domain, user->port);
		}
	}
}

/* Whether anybody uses the line, or is busy with it. */
static bool line_has(const struct irq_line *line, bool busy) REQUIRES(irq_lock) {
	for (unsigned i = 0; i < IRQ_SHARED; i++)
		if (busy ? line->users[i].busy : line->users[i].domain != NULL) return true;
	return false;
}

/* A user has come, gone or acknowledged: tells what waited, opens or closes the line. */
static void line_settle(u32 n) REQUIRES(irq_lock) {
	struct irq_line *line = &lines[n];

	if (line->again && !line_has(line, true)) {
		line->again = false;
		line_tell(line);
	}
	if (n < MSI_FIRST)
		ioapic_mask(n, !line_has(line, false) || line->again ||
				       (line->level && line_has(line, true)));
}

/* The user's slot is taken first, so that the line's port always has a user. */
static int line_join(struct domain *d, u32 n, bool level, bool low) {
	struct irq_line *line = &lines[n];
	int status = -EEXIST;

	lock_take(&irq_lock);
	if (!user_of(line, d)) {
		struct irq_user *user = user_of(line, NULL);
		bool first = !line_has(line, false);

		status = user ? 0 : -EBUSY;
		if (!status && first && n < MSI_FIRST)
			status = ioapic_route(n, (u8)(VECTOR_IRQ_FIRST + n), level, low);
		if (!status) {
			*user = (struct irq_user){.domain = d};
			if (first) line->level = level;
		}
	}
	lock_drop(&irq_lock);
	return status;
}

int irq_bind(struct domain *d, u32 irq, u32 port, u32 flags) {
	u32 n = line_index(irq);

	if (n == IRQ_LINES || (flags & ~(n < MSI_FIRST ? IRQ_LEVEL | IRQ_LOW : 0))) return -EINVAL;
	int status = line_join(d, n, flags & IRQ_LEVEL, flags & IRQ_LOW);
	if (status) return status;
	long bound = channel_bind_pirq(d, port, irq);
	if (bound < 0) {
		irq_unbind(d, irq);
		return (int)bound;
	}
	lock_take(&irq_lock);
	user_of(&lines[n], d)->port = (u32)bound;
	line_settle(n);
	lock_drop(&irq_lock);
	return (int)bound;
}

void irq_unbind(struct domain *d, u32 irq) {
	u32 n = line_index(irq);

	lock_take(&irq_lock);
	struct irq_user *user = user_of(&lines[n], d);
	if (user) {
		*user = (struct irq_user){0};
		line_settle(n);
	}
	lock_drop(&irq_lock);
}

int irq_acknowledge(struct domain *d, u32 irq) {
	u32 n = line_index(irq);
	int status = -EINVAL;

	if (n == IRQ_LINES) return status;
	lock_take(&irq_lock);
	struct irq_user *user = user_of(&lines[n], d);
	if (user) {
		status = 0;
		if (user->busy) {
			user->busy = false;
			line_settle(n);
		}
	}
	lock_drop(&irq_lock);
	return status;
}

int irq_message(u32 irq, u32 source, struct irq_message *message) {
	u32 n = line_index(irq);

	if (n < MSI_FIRST || n == IRQ_LINES) return -EINVAL;
	remap_message((u8)(VECTOR_IRQ_FIRST + n), source, message);
	return 0;
}

void irq_release(struct domain *d, u32 first, u32 count) {
	u32 port, n;

	for (u32 irq = first; irq - first < count && (n = line_index(irq)) < IRQ_LINES; irq++) {
		struct irq_user *user;

		lock_take(&irq_lock);
		user = user_of(&lines[n], d);
		port = user ? user->port : 0;
		lock_drop(&irq_lock);
		if (port) (void)channel_close(d, port); /* comes back to irq_unbind */
	}
}

void irq_deliver(u32 n) {
	if (n >= IRQ_LINES) return;
	struct irq_line *line = &lines[n];
	lock_take(&irq_lock);
	if (!line->level && line_has(line, true))
		line->again = true;
	else
		line_tell(line);
	if (n < MSI_FIRST) line_settle(n);
	lock_drop(&irq_lock);
}
