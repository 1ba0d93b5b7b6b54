/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of root share: the description, the boot information, and for
 * each domain where it stands.
 *
 *     main.c         boot: one list of steps
 *     description.c  the check of the description        (also tested on the host)
 *     memory.c       who has which frames                (also tested on the host)
 *     layout.c       where things lie in a guest         (also tested on the host)
 *     space.c        mapping modules and domains under construction
 *     builder.c      memory of a new domain: take, fill, give away
 *     build_native.c, build_guest.c   what is filled in
 *     program.c      the programs that native domains run
 *     upgrade.c, fit.c, canary.c     another program for a domain that runs
 *     pages.c        pages of root's own that domains share
 *     wiring.c       objects, channels, control pages
 *     handover.c     the capabilities and the start page that a domain finds
 *     bus.c          commands to the bus domain         (also tested on the host)
 *     functions.c    which function a driver means      (also tested on the host)
 *     devices.c      devices and their drivers: preparing, handing over, quiescing
 *     device_make.c, device_report.c   what a device gets, what is said about it
 *     plan.c         the first plan, and what the policy is told
 *     order.c        servers start before their clients (also tested on the host)
 *     define.c       domains that are brought to the running system
 *     plug.c         disks and VIFs that come and go
 *     supervise.c    ends, restarts, giving up
 *     orders.c       what a domain is made to do by request
 *     heartbeat.c    natives that run and do nothing
 *     blame.c        who keeps the memory of one that has ended
 *     exit.c         the end of the system
 *     story.c        what went wrong last with each domain
 *     death.c        how a domain stood when it died
 *     recent.c       places for what is kept of those two
 *     trace.c        the traces of the core, for who may read them
 *     manage.c, manage_*.c   requests of domains that manage the system
 */
#ifndef SERVERS_ROOT_ROOT_H
#define SERVERS_ROOT_ROOT_H

#include "description.h"
#include "libs/event/event.h"
#include "libs/rt/rt.h"
#include "proto/control.h"
#include "proto/native.h"
#include "proto/pci.h"

/* Where a domain stands, for root. */
enum domain_stage {
	STAGE_IDLE,     /* no memory: not started yet, or taken back */
	STAGE_HELD,     /* to be built as soon as its devices are there */
	STAGE_STARTING, /* a guest, built and paused: its servers are getting ready for it */
	STAGE_RUNNING,
	STAGE_STOPPED,    /* ended, memory kept for inspection */
	STAGE_RELEASING,  /* ended, its servers are letting go of its memory */
	STAGE_QUIESCING,  /* ended, its device is being stopped */
	STAGE_RECLAIMING, /* reset, its frames are coming back */
	STAGE_WAITING,    /* for the back-off, to be built again */
	STAGE_GIVEN_UP,   /* restarted too often: waits for a command */
};

/* How a domain ended. */
enum domain_end { END_NONE, END_POWEROFF, END_REBOOT, END_CRASH, END_BUILD };

struct domain {
	const struct system_domain *d;
	const char *name;
	uint32_t slot; /* Domain capability, all rights */
	uint16_t index;
	uint8_t stage; /* enum domain_stage */
	uint8_t end;   /* enum domain_end: of the last incarnation */
	bool rebuild;  /* after RECLAIMING: build again */
	bool paused;   /* by request; stage is RUNNING */
	uint16_t connection_count;
	uint16_t connections[NATIVE_MAX_CONNECTIONS]; /* [0] of a native is its control page */
	uint32_t incarnation;                         /* how often it was built, less one */

	/* native: its control page, mapped by root */
	struct control_page *control;
	uint64_t control_mfn;
	uint32_t control_pages, control_ref, control_port;
	uint64_t lifeboat_mfn;
	uint32_t lifeboat_ref, config_ref, config_size;
	uint64_t stack_first;     /* address of its stack's lowest page; 0: not built */
	struct device *device;    /* devices.c; NULL = none */
	struct program *program;  /* what it runs; NULL: not started yet. Held */
	struct brought *brought;  /* of a place: what is there; NULL: nothing, or no place */
	const char *cmdline;      /* or arguments */
	struct program *previous; /* what it ran before, to fall back to; NULL: nothing. Held */

	/* as in the description, until they are set */
	uint32_t weight, cap, heartbeat_ms;

	uint32_t stories;    /* failures so far */
	uint64_t beat_due;   /* heartbeat.c: when it counts as hung; 0: nothing is asked */
	uint32_t beat_first; /* what its predecessor was asked last */
	bool beats;          /* this incarnation has answered once */

	/* supervise.c */
	struct event_timer timer; /* back-off, or patience with servers */
	uint64_t deadline;        /* of that patience */
	uint64_t started;         /* when it was, last */
	uint64_t made_ns;         /* what making its object and building it took, last */
	uint64_t object_ns;       /* of that, the object */
	uint64_t object_frames;   /* what the core holds for it */
	uint64_t window_start;    /* of the restart budget */
	uint8_t blamed;           /* how often somebody was, for not letting go of its memory */
	uint32_t restarts;        /* within the window */
	uint32_t doublings;       /* of the back-off, since it last lasted */
	uint32_t restarts_total;
};

/* What a declared connection needs besides its ports. */
struct link {
	uint64_t mfn;    /* first ring page, root's; native rings only */
	uint32_t ref[2]; /* root's grants: to the server, to the client */
	uint32_t port;   /* root's end, if root is the server */
	bool connected;  /* the two ports are joined */
};

extern struct description description;
extern const struct boot_info *boot_info;
extern struct domain domains[SYSTEM_MAX_DOMAINS + 1]; /* the last one in use: the canary */
extern uint16_t start_order[SYSTEM_MAX_DOMAINS];      /* order.h: indices */
extern uint32_t start_count;
extern struct link links[SYSTEM_MAX_CONNECTIONS];
extern struct pci_bus *bus_page; /* NULL: no domain serves the bus */

static inline bool is_native(const struct domain *domain) {
	return domain->d->kind == SYSTEM_KIND_NATIVE;
}

static inline bool is_guest(const struct domain *domain) {
	return domain->d->kind == SYSTEM_KIND_GUEST;
}

/* A guest and who serves its devices, found through the store: no page, no port. */
static inline bool link_is_backend(const struct system_connection *c) {
	return c->protocol == SYSTEM_CONN_BLOCK || c->protocol == SYSTEM_CONN_VIF;
}

/* A server and the driver of a PCI device (client), whose DMA window it fills. */
static inline bool link_is_driver(const struct system_connection *c) {
	return c->protocol == SYSTEM_CONN_DISK || c->protocol == SYSTEM_CONN_NET;
}

/* What can be set, or brought, is as the description has it. */
static inline void domain_as_described(struct domain *domain) {
	domain->d = &description.domains[domain->index];
	domain->cmdline = description_string(&description, domain->d->cmdline);
	domain->weight = domain->d->sched.weight;
	domain->cap = domain->d->sched.cap;
	domain->heartbeat_ms = domain->d->heartbeat_ms;
}

/* A boot module by name; NULL: there is none. */
const struct boot_module *module_find(const char *name);
/* Maps it at page `first` of the place for modules. NULL: cannot. */
const void *module_map(const struct boot_module *module, uint64_t first);

/* --- wiring.c --- */

/* Objects for all domains, ring pages, control pages, grants. Panics when that cannot be. */
void wiring_init(void);
/* The port of a connection at one of its ends; 0: this kind has none. */
uint32_t wiring_port(const struct domain *domain, uint32_t index);
/* Joins the ports of all its connections. */
void wiring_connect(struct domain *domain);
/* Its ports are gone: it was reset. */
void wiring_disconnected(struct domain *domain);
/* Tells a guest's servers that it is there, or has ended. */
void wiring_announce(struct domain *guest, bool present);
/* Whether the server at this connection of its has done what was announced last, or is down. */
bool wiring_let_go(const struct domain *guest, uint32_t i);
/* Whether all of a starting guest's servers are ready for it, or will not be. */
bool wiring_ready(const struct domain *guest);
/* Whether all of its servers have. */
bool wiring_settled(const struct domain *guest);
/* The native domain that serves a guest by this protocol; NULL = none. */
struct domain *wiring_server(const struct domain *guest, uint32_t protocol);
/* Lets a native domain look at its control page. */
void wiring_kick(struct domain *domain);
/* Has the store write what the guest is asked (CONTROL_ASK_*). False: it has no store. */
bool wiring_ask(struct domain *guest, uint32_t what, uint32_t value);

/* --- build_native.c, build_guest.c: NULL, or why it cannot be built --- */

const char *build_native(struct domain *domain);
const char *build_guest(struct domain *domain);
/* The same for a kernel that is only looked at: whether it could be built. */
const char *build_guest_check(struct domain *domain);

/* --- plan.c --- */

/* The index of the policy that places it; 0: root does. */
uint32_t plan_policy(const struct domain *domain);
/* Root's own place in all plans to come. */
void plan_start(void);
/* The set of running domains has changed: there will be a plan of it when the handler that runs has
 * returned, one for all that it has changed. */
void plan_update(void);

/* --- supervise.c --- */

void supervise_init(void);
/* Builds and starts it, now or when its devices are there. False: it cannot be built; the log says
 * why. */
bool supervise_start(struct domain *domain);
/* Ends one that runs. */
void supervise_crash(struct domain *domain, const char *why);
/* devices.c: what domains were held for is there; a device is quiet, or not; it cannot be prepared.
 */
void supervise_continue(void);
void supervise_quiesced(struct domain *domain, bool quiet);
void supervise_not_prepared(struct domain *domain);
/* Of one that does not run: counts, and starts it when its devices are there. */
void supervise_start_again(struct domain *domain);
/* Of one that has no memory: it is idle from now on. */
void supervise_drop(struct domain *domain);
/* Of one that does not run any more: everything is taken back; then it may be built again. */
void supervise_take_back(struct domain *domain, bool rebuild);
/* Servers may have got ready for guests, or let go of those that have ended. */
void supervise_release(void);
const char *stage_name(const struct domain *domain);

/* --- orders.c: NULL, or why not --- */

const char *supervise_restart(struct domain *domain);
const char *supervise_kill(struct domain *domain);
const char *supervise_clear(struct domain *domain);
const char *supervise_destroy(struct domain *domain);
const char *supervise_pause(struct domain *domain);
const char *supervise_unpause(struct domain *domain);

/* --- blame.c --- */

/* Its memory does not come back: ends those at fault. */
void supervise_blame(struct domain *domain);

/* --- exit.c --- */

/* Leaves the emulator, if the description says so and no guest is left. */
void supervise_check_exit(void);
/* Ends the whole system because it could not be built. */
NORETURN void supervise_fail(void);

/* --- heartbeat.c --- */

void heartbeat_init(void);
/* It starts: what was asked of its predecessor does not count. */
void heartbeat_started(struct domain *domain);
/* A limit has changed. */
void heartbeat_changed(void);

#endif
