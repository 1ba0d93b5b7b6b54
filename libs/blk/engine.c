/* SPDX-License-Identifier: BSD-2-Clause */
/* See engine.h. */
#include "libs/blk/engine.h"

#include "libs/log/log.h"
#include "libs/rt/time.h"

#define QUIESCE_TIME MILLISECONDS(50)

static void wake_at(struct blk_engine *engine, uint64_t time) {
	if (time == engine->timer.deadline) return;
	if (time)
		event_timer_arm(&engine->timer, time);
	else
		event_timer_cancel(&engine->timer);
}

static void go_online(struct blk_engine *engine) {
	engine->online = true;
	engine->ops->describe(engine->device, &engine->blk);
	blk_driver_gather(&engine->blk, BLK_DRIVER_GATHER);
	blk_driver_online(&engine->blk, 0);
}

static void mourn(struct blk_engine *engine, const struct blk_engine_view *view) {
	if (!engine->online || view->running) rt_panic("%s: %s", engine->ops->what, view->why);
	if (!engine->mourned) log_print("%s is given up: %s", engine->ops->what, view->why);
	engine->mourned = true;
}

void blk_engine_settle(struct blk_engine *engine) {
	struct blk_engine_view view;

	engine->ops->view(engine->device, &view);
	if (view.dead) mourn(engine, &view);
	if (view.known && !engine->online) go_online(engine);
	if (engine->quiescing && engine->ops->is_idle(engine->device)) {
		engine->quiescing = false;
		event_timer_cancel(&engine->quiesce_timer);
		blk_driver_quiesced(&engine->blk);
	}
	if (engine->online) blk_driver_work(&engine->blk);
	engine->ops->kick(engine->device);
	engine->ops->view(engine->device, &view);
	wake_at(engine, view.wake);
}

static void on_timer(void *context) {
	struct blk_engine *engine = context;

	engine->ops->timer(engine->device, time_now());
	blk_engine_settle(engine);
}

static void on_quiesce_timer(void *context) {
	struct blk_engine *engine = context;

	engine->ops->reset(engine->device, "commands of the old session do not end", time_now());
	blk_engine_settle(engine);
}

/* --- for the server's end --- */

static bool submit(void *context, const struct blk_request *request,
		   const struct blk_segment *segments) {
	struct blk_engine *engine = context;

	engine->ops->submit(engine->device, request, segments, time_now());
	return true;
}

static void kick(void *context) {
	struct blk_engine *engine = context;
	struct blk_engine_view view;

	engine->ops->kick(engine->device);
	engine->ops->view(engine->device, &view);
	if (view.wake && !engine->timer.deadline) event_timer_arm(&engine->timer, view.wake);
}

static bool quiesce(void *context) {
	struct blk_engine *engine = context;

	engine->ops->drop(engine->device);
	engine->quiescing = !engine->ops->is_idle(engine->device);
	if (engine->quiescing) event_timer_arm(&engine->quiesce_timer, time_now() + QUIESCE_TIME);
	return !engine->quiescing;
}

static const struct blk_driver_ops driver_ops = {
	.submit = submit, .kick = kick, .quiesce = quiesce};

/* --- start --- */

static void begin(struct blk_engine *engine, const struct blk_engine_ops *ops, void *device) {
	*engine = (struct blk_engine){
		.ops = ops,
		.device = device,
		.timer = {.handler = on_timer, .context = engine},
		.quiesce_timer = {.handler = on_quiesce_timer, .context = engine},
	};
}

void blk_engine_attach(struct blk_engine *engine, const struct blk_engine_ops *ops, void *device) {
	int error;

	begin(engine, ops, device);
	error = blk_driver_attach(&engine->blk, 0, &driver_ops, engine);
	if (error) rt_panic("it has no connection to a disk server (%d)", error);
}

void blk_engine_start(struct blk_engine *engine, const struct blk_engine_ops *ops, void *device,
		      void *pages, uint32_t port, uint32_t incarnation) {
	begin(engine, ops, device);
	blk_driver_start(&engine->blk, pages, port, incarnation, &driver_ops, engine);
}

uint64_t blk_engine_number(const char *name, uint64_t otherwise, uint64_t most) {
	uint64_t value = otherwise;
	char text[16];

	if (rt_argument(name, text, sizeof(text)) &&
	    (!rt_number(text, &value) || !value || value > most))
		rt_panic("%s=%s is not a number from 1 to %lu", name, text, most);
	return value;
}
