/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/plug/plug.h"

#include "libs/control/control.h"
#include "libs/rt/time.h"
#include "libs/xenbus/xenbus.h"

#define PATIENCE MILLISECONDS(30000)

void plug_init(struct plug *plug, const struct plug_ops *ops, uint32_t number) {
	*plug = (struct plug){.ops = ops, .number = number};
}

bool plug_read(struct plug *plug, uint64_t now) {
	bool settled = control_device_settled(plug->number);

	plug->wanted = control_device(plug->number);
	plug->out = plug->wanted & CONTROL_DEVICE_OUT;
	plug->leaving = plug->out && !settled;
	plug->patience = now + PATIENCE;
	if (!settled) plug->ops->soon();
	return plug->out && settled;
}

void plug_scan(struct plug *plug, uint64_t now) {
	const struct plug_ops *ops = plug->ops;
	uint32_t wanted = control_device(plug->number);

	if (wanted == plug->wanted) return;
	plug->wanted = wanted;
	plug->out = wanted & CONTROL_DEVICE_OUT;
	plug->forced = false;
	ops->soon();
	/* What could not be had may be had now. */
	if (!plug->out && !plug->leaving && ops->state(plug->number) == PLUG_FAILED)
		ops->retry(plug->number);
	if (!plug->out) return;
	plug->leaving = true;
	plug->patience = now + PATIENCE;
	if (ops->state(plug->number) == PLUG_READING) ops->stop_reading(plug->number);
}

/* The guest has let go of it, or never took it. */
static bool is_let_go(const struct plug *plug) {
	uint32_t state = plug->ops->front_state(plug->number);

	return state == XENBUS_UNKNOWN || state == XENBUS_INITIALISING || state == XENBUS_CLOSED;
}

static void force(struct plug *plug) {
	if (plug->forced) return;
	plug->forced = true;
	plug->ops->say_forced(plug->number);
}

static void leave(struct plug *plug, bool late) {
	const struct plug_ops *ops = plug->ops;
	uint32_t n = plug->number;

	switch (ops->state(n)) {
	case PLUG_ABSENT: plug->leaving = !ops->is_removed(n); return;
	case PLUG_ENDING: return;
	case PLUG_LIVE:
		ops->close(n);
		if (late) {
			force(plug);
			ops->end(n);
		}
		break;
	case PLUG_LOOSE:
	case PLUG_FAILED:
		if (is_let_go(plug) || late) {
			if (!is_let_go(plug)) force(plug);
			ops->vanish(n);
			return;
		}
		ops->close(n);
		break;
	default:
		if (!late) break;
		force(plug);
		ops->vanish(n);
		return;
	}
	ops->wake_at(plug->patience);
}

void plug_front_changed(struct plug *plug) {
	const struct plug_ops *ops = plug->ops;

	if (ops->state(plug->number) == PLUG_LIVE &&
	    ops->front_state(plug->number) != XENBUS_CONNECTED)
		ops->end(plug->number);
	ops->soon();
}

void plug_ended(struct plug *plug) {
	plug->ops->vanish(plug->number);
	plug->ops->soon();
}

/* It is as root wants it; *flags: how that came. */
static bool is_settled(const struct plug *plug, uint32_t *flags) {
	const struct plug_ops *ops = plug->ops;
	enum plug_state state = ops->state(plug->number);

	*flags = 0;
	if (plug->leaving) return false;
	if (plug->out) {
		*flags = plug->forced ? CONTROL_DEVICE_FORCED : 0;
		return state == PLUG_ABSENT;
	}
	if (state == PLUG_FAILED) *flags = CONTROL_DEVICE_REFUSED;
	if (state == PLUG_FAILED || !ops->guest_is_here(plug->number)) return true;
	return state != PLUG_ABSENT && state != PLUG_UNKNOWN && ops->is_written(plug->number);
}

bool plug_work(struct plug *plug, uint64_t now) {
	const struct plug_ops *ops = plug->ops;
	uint32_t n = plug->number, flags;

	if (control_device_settled(n) && !plug->leaving) return false;
	if (plug->leaving) leave(plug, now >= plug->patience);
	if (!plug->leaving && !plug->out && ops->state(n) == PLUG_ABSENT && ops->guest_is_here(n))
		ops->come(n);
	if (is_settled(plug, &flags)) control_device_done(n, plug->wanted, flags);
	return !control_device_settled(n);
}
