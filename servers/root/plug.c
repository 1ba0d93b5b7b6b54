/* SPDX-License-Identifier: BSD-2-Clause */
#include "plug.h"

#include "libs/log/log.h"
#include "story.h"

static struct {
	bool pending; /* the server has not answered yet */
	bool refused;
	uint32_t forced;
} plugs[SYSTEM_MAX_PLUGS];

static struct control_device *word_of(uint32_t plug) {
	const struct system_plug *p = &description.plugs[plug];

	return &domains[p->server].control->device[p->number];
}

static const char *name_of(uint32_t plug) {
	return description_string(&description, description.plugs[plug].name);
}

void plug_init(void) {
	for (uint32_t i = 0; i < description.plug_count; i++) {
		struct control_device *word = word_of(i);

		if (!(description.plugs[i].flags & SYSTEM_PLUG_OUT)) continue;
		word->wanted = word->done = CONTROL_DEVICE_OUT;
	}
}

uint32_t plug_find(const struct domain *guest, const char *name) {
	uint32_t i = 0;

	while (i < description.plug_count &&
	       (description.plugs[i].guest != guest->index || strcmp(name_of(i), name) != 0))
		i++;
	return i;
}

bool plug_is_wanted(uint32_t plug) { return !(word_of(plug)->wanted & CONTROL_DEVICE_OUT); }

void plug_want(uint32_t plug, bool in) {
	struct control_device *word = word_of(plug);
	uint32_t changes = (word->wanted >> CONTROL_DEVICE_SHIFT) + 1;

	plugs[plug].pending = true;
	plugs[plug].refused = false;
	__atomic_store_n(&word->wanted,
			 changes << CONTROL_DEVICE_SHIFT | (in ? 0 : CONTROL_DEVICE_OUT),
			 __ATOMIC_RELEASE);
	wiring_kick(&domains[description.plugs[plug].server]);
}

void plug_restore(const struct domain *guest) {
	for (uint32_t i = 0; i < description.plug_count; i++) {
		bool in = !(description.plugs[i].flags & SYSTEM_PLUG_OUT);

		if (description.plugs[i].guest == guest->index && plug_is_wanted(i) != in)
			plug_want(i, in);
	}
}

static void tell(uint32_t plug, bool forced) {
	const struct system_plug *p = &description.plugs[plug];
	struct domain *guest = &domains[p->guest], *server = &domains[p->server];
	char what[64], found[96], advice[96];

	rt_format(what, sizeof(what), "%s %s", name_of(plug),
		  forced ? "was taken away by force" : "cannot be plugged");
	rt_format(found, sizeof(found),
		  forced ? "%s heard nothing of it for 30 seconds"
			 : "%s refuses it: see its lines in the log",
		  server->name);
	rt_format(advice, sizeof(advice),
		  forced ? "look into %s: its driver may not be loaded, or hang"
			 : "logs %s; who else has its sectors lets go of them first",
		  forced ? guest->name : server->name);
	story_tell(guest,
		   &(struct story){
			   .status = MANAGE_FAILED,
			   .what = what,
			   .expected = forced ? "that the guest closes it" : "that it is free",
			   .found = found,
			   .advice = advice,
		   });
}

void plug_look(const struct domain *server) {
	for (uint32_t i = 0; i < description.plug_count; i++) {
		const struct control_device *word = word_of(i);
		uint32_t done;

		if (!plugs[i].pending || description.plugs[i].server != server->index) continue;
		done = __atomic_load_n(&word->done, __ATOMIC_ACQUIRE);
		if ((done ^ word->wanted) >> CONTROL_DEVICE_SHIFT) continue;
		plugs[i].pending = false;
		plugs[i].refused = done & CONTROL_DEVICE_REFUSED;
		if (done & CONTROL_DEVICE_FORCED) plugs[i].forced++;
		if (done & (CONTROL_DEVICE_FORCED | CONTROL_DEVICE_REFUSED))
			tell(i, done & CONTROL_DEVICE_FORCED);
		log_print("%s: %s is %s", domains[description.plugs[i].guest].name, name_of(i),
			  plugs[i].refused    ? "refused"
			  : plug_is_wanted(i) ? "plugged"
					      : "unplugged");
	}
}

/* --- requests --- */

static uint32_t change(struct manage_call *call, bool in) {
	uint32_t plug = is_guest(call->domain) ? plug_find(call->domain, call->value)
					       : description.plug_count;

	if (plug == description.plug_count)
		return manage_refuse(call, MANAGE_UNKNOWN,
				     "the description gives %s no disk or VIF \"%s\"; `devices` "
				     "lists those that there are",
				     call->domain->name, call->value);
	call->line = description.plugs[plug].line;
	if (plugs[plug].pending)
		return manage_refuse(call, MANAGE_BUSY, "%s is on its way %s: try again",
				     call->value, plug_is_wanted(plug) ? "in" : "out");
	if (plug_is_wanted(plug) == in && !plugs[plug].refused)
		return manage_refuse(call, MANAGE_STATE, "%s is %s already", call->value,
				     in ? "plugged" : "unplugged");
	plug_want(plug, in);
	return MANAGE_OK;
}

uint32_t manage_plug(struct manage_call *call) { return change(call, true); }

uint32_t manage_unplug(struct manage_call *call) { return change(call, false); }

static void describe(uint32_t plug, struct manage_device *to) {
	const struct system_plug *p = &description.plugs[plug];

	*to = (struct manage_device){
		.kind = p->protocol == SYSTEM_CONN_BLOCK ? MANAGE_DEVICE_DISK : MANAGE_DEVICE_VIF,
		.wanted = plug_is_wanted(plug),
		.settled = !plugs[plug].pending,
		.refused = plugs[plug].refused,
		.line = p->line,
		.changes = word_of(plug)->wanted >> CONTROL_DEVICE_SHIFT,
		.forced = plugs[plug].forced,
	};
	rt_strcopy(to->name, name_of(plug), sizeof(to->name));
	rt_strcopy(to->guest, domains[p->guest].name, sizeof(to->guest));
	rt_strcopy(to->server, domains[p->server].name, sizeof(to->server));
}

uint32_t manage_devices(struct manage_call *call) {
	const uint32_t most = MANAGE_PAYLOAD / sizeof(struct manage_device);
	uint32_t first = MIN(call->argument, description.plug_count), count;

	count = MIN(description.plug_count - first, most);
	for (uint32_t i = 0; i < count; i++) {
		struct manage_device device;

		describe(first + i, &device);
		memcpy(call->payload + i * sizeof(device), &device, sizeof(device));
	}
	call->answer_length = count * (uint32_t)sizeof(struct manage_device);
	call->more = first + count < description.plug_count ? first + count : 0;
	return MANAGE_OK;
}
