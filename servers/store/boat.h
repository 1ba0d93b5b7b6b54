/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything the store knows, laid out in its lifeboat (proto/lifeboat.h): the
 * tree, the clients with their watches, transactions and waiting events, and how
 * far each ring has been read and written. The rings' own indices are copies of
 * those here: a successor publishes them again, which nobody can notice.
 *
 * The lifeboat changes in steps. A step writes through boat_set(), which notes
 * the old bytes in the undo log first; boat_commit() empties the log with one
 * store, and that is the moment at which the step has happened. Whoever finds a
 * log that is not empty undoes it. So a death at any instruction leaves the state
 * before the step or the state after it. docs/decisions/0003-store-lifeboat.md has the
 * alternatives.
 *
 *      +--------+---------+----------+-----------------------+
 *      | boat   | clients | undo log | blocks, all of a size |
 *      +--------+---------+----------+-----------------------+
 *
 * Without a lifeboat in the description the same lies in ordinary memory.
 */
#ifndef SERVERS_STORE_BOAT_H
#define SERVERS_STORE_BOAT_H

#include "libs/rt/rt.h"
#include "proto/xen/store.h"

#define BOAT_LAYOUT  2U
#define BOAT_CLIENTS NATIVE_MAX_CONNECTIONS

#define STORE_MESSAGE (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define STORE_NAME    64U /* one component of a path, NUL included */
#define STORE_PERMS   6U  /* of a node */

/* Who pays for a block: a client's part of the pool, what waits for a client, the store itself. */
#define ACCOUNT(client)        (2U * (client))
#define ACCOUNT_EVENTS(client) (2U * (client) + 1)
#define ACCOUNT_STORE          (2U * BOAT_CLIENTS)
#define ACCOUNTS               (2U * BOAT_CLIENTS + 1)

#define BLOCK_FREE        0U
#define BLOCK_NODE        1U
#define BLOCK_BYTES       2U /* continues the bytes of another block */
#define BLOCK_WATCH       3U
#define BLOCK_EVENT       4U
#define BLOCK_TRANSACTION 5U
#define BLOCK_RECORD      6U /* one request of a transaction */

/* Blocks are named by their index; 0 is none. */
struct block_header {
	uint8_t kind;
	uint8_t flag;     /* WATCH: one event more is due, with the watch's own path */
	uint16_t account; /* who pays */
	uint32_t next;    /* next in its list: free, siblings, continuation, a client's ... */
	uint32_t step;    /* FREE: in which it was given back */
	uint32_t more;    /* first BYTES block */
	uint32_t length;  /* of the bytes, here and in the BYTES blocks */
	uint32_t count;   /* NODE: permissions; TRANSACTION: records */
};

struct block {
	struct block_header h;
	union {
		struct {
			uint64_t generation; /* of its last change, children's coming and going too
					      */
			uint32_t parent, child;
			uint32_t permission[STORE_PERMS]; /* PERMISSION() */
			char name[STORE_NAME];
			uint8_t bytes[64]; /* the value begins here */
		} node;
		struct {
			uint32_t path_length, token_length;
			uint8_t bytes[160]; /* path, NUL, token */
		} watch;
		struct {
			uint32_t watch;
			uint8_t bytes[164]; /* path, as the watch's owner writes it */
		} event;
		struct {
			uint32_t id, first, last;
		} transaction;
		struct {
			uint64_t generation; /* of the node when it was asked for */
			uint32_t type;       /* XS_* */
			uint8_t bytes[156];  /* payload of the request */
		} record;
		uint8_t bytes[168];
	};
};

/* A permission: whom it concerns, and what he may. The first one of a node: its owner, and what
 * all may who are not listed. */
#define MAY_READ               1U
#define MAY_WRITE              2U
#define PERMISSION(domid, may) ((uint32_t)(may) << 16 | (domid))
#define PERMISSION_DOMID(p)    ((uint16_t)(p))
#define PERMISSION_MAY(p)      ((p) >> 16)

#define CLIENT_ABSENT  0U /* nobody there */
#define CLIENT_SERVED  1U
#define CLIENT_BROKEN  2U /* broke the protocol; only a new connection helps */
#define CLIENT_UNKNOWN 3U /* a native whose connection the store knows nothing of */

struct client {
	char name[16];
	uint16_t domid;
	uint8_t is_guest;
	uint8_t state;
	uint32_t flags;       /* SYSTEM_XENBUS_* */
	uint32_t incarnation; /* of a guest */
	uint32_t home;        /* its node /local/domain/N */
	uint32_t watches, watch_count;
	uint32_t transactions, transaction_count, next_transaction;
	uint32_t first_event, last_event, overflows; /* watches with their flag set */
	/*
	 * The rings. Bytes [in_start, req_cons) of the request ring lie in `in`; of
	 * `out`, the bytes before rsp_prod - out_start have gone out. So each advances
	 * with one store.
	 */
	uint32_t req_cons, in_start;
	uint32_t rsp_prod, out_start, out_length;
	uint32_t error; /* XENSTORE_ERROR_* */
	uint8_t in[STORE_MESSAGE + 8];
	uint8_t out[STORE_MESSAGE];
};

struct boat {
	uint32_t built; /* the tree stands */
	uint32_t size;  /* of all of it, bytes */
	uint32_t step;  /* number of the present step; wraps */
	uint32_t log_used;
	uint32_t log_offset, log_size;
	uint32_t clients_offset, client_count;
	uint32_t blocks_offset, block_count;
	uint32_t fresh; /* blocks from here on have never been used */
	uint32_t free;
	uint32_t root;
	uint64_t generation; /* of the last change of a node */
	struct {
		uint32_t used, quota;
	} account[ACCOUNTS];
};

_Static_assert(sizeof(struct block_header) == 24, "block_header layout");
_Static_assert(sizeof(struct block) == 192, "block layout");

extern struct boat *boat;

/* Whom the store serves: from the start page. */
struct boat_peer {
	char name[16];
	uint16_t domid;
	bool is_guest;
	uint32_t flags;
};

/*
 * Lays the boat out afresh. False: `size` bytes are too few for that many clients;
 * *needed says how many would do.
 */
bool boat_build(void *memory, uint32_t size, const struct boat_peer *peers, uint32_t count,
		uint32_t *needed);
/* Takes one over: undoes the step that was under way and checks everything. NULL, or what is
 * wrong with it; then nothing was taken over. */
const char *boat_adopt(void *memory, uint32_t size, const struct boat_peer *peers, uint32_t count);
/* check.c: looks at every block. NULL or what is wrong. */
const char *boat_check(void);

struct client *boat_client(uint32_t index);
struct block *boat_block(uint32_t index);
/* Whether a client may have that many watches, transactions. */
uint32_t boat_watch_quota(const struct client *client);
uint32_t boat_transaction_quota(const struct client *client);

/* Changes bytes of the boat as part of the present step. */
void boat_set(void *field, const void *value, size_t size);
#define SET(field, value)                                    \
	do {                                                 \
		__typeof__(field) value_ = (value);          \
		boat_set(&(field), &value_, sizeof(value_)); \
	} while (0)
/* The step has happened. */
void boat_commit(void);
/* Takes back what the step did after the mark; 0: all of it. */
uint32_t boat_mark(void);
void boat_rollback(uint32_t mark);
/* The step was too large for the log: it can only be taken back. rollback clears it. */
bool boat_is_full(void);
/* Stores a word that needs no undoing, in order. */
void boat_store(uint32_t *field, uint32_t value);

/* pool.c */

/* A new block, empty, with count = value = 0. 0: the account's quota is used up. */
uint32_t pool_take(uint8_t kind, uint32_t account);
/* Gives blocks of one account back, together: log space for the sum is small. */
struct pool_bag {
	uint32_t first, last, count, account;
};
/* With the BYTES behind it. */
void pool_bag_put(struct pool_bag *bag, uint32_t index);
void pool_bag_empty(struct pool_bag *bag);
void pool_give_back(uint32_t index);
/* The bytes of a block. False: no room (the step is to be taken back). */
bool pool_write(uint32_t index, const void *bytes, uint32_t length);
uint32_t pool_read(uint32_t index, void *to, uint32_t size);
/* Where a block's bytes begin, and how many lie there. */
uint8_t *pool_bytes(struct block *block, uint32_t *room);

#endif
