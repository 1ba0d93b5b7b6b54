/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts that think for themselves: partition tables, token buckets, the configuration. */
#include "rig.h"

#include "libs/crc32/crc32.h"
#include "servers/vbd/gpt.h"

/* --- partition tables --- */

#define BLOCKS 2048U

static uint8_t header[512], table[16384];
static struct gpt gpt;

static void put(uint8_t *at, uint64_t value, unsigned bytes) {
	for (unsigned i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static void seal(void) {
	put(header + 88, gpt_crc32(table, sizeof(table)), 4);
	put(header + 16, 0, 4);
	put(header + 16, gpt_crc32(header, 92), 4);
}

static void partition(uint32_t n, uint64_t first, uint64_t last, const char *name) {
	uint8_t *e = table + n * 128;

	memset(e, 0, 128);
	put(e, n + 1, 8);
	put(e + 32, first, 8);
	put(e + 40, last, 8);
	for (uint32_t i = 0; name[i] && i < 36; i++) put(e + 56 + 2 * i, (uint8_t)name[i], 2);
}

static void make_table(void) {
	memset(header, 0, sizeof(header));
	memset(table, 0, sizeof(table));
	memcpy(header, "EFI PART", 8);
	put(header + 8, 0x10000, 4);
	put(header + 12, 92, 4);
	put(header + 24, 1, 8);
	put(header + 40, 34, 8);
	put(header + 48, BLOCKS - 34, 8);
	put(header + 72, 2, 8);
	put(header + 80, 128, 4);
	put(header + 84, 128, 4);
	partition(0, 34, 99, "boot");
	partition(1, 100, 1999, "root");
	seal();
	gpt = (struct gpt){.blocks = BLOCKS, .block = 512};
}

static const char *read_all(void) {
	const char *wrong = gpt_header(&gpt, header, 1);

	if (wrong) return wrong;
	CHECK(gpt_table_size(&gpt) <= GPT_TABLE_MAX);
	if (gpt_table_size(&gpt) != sizeof(table)) return "another size";
	return gpt_entries(&gpt, table);
}

static void test_gpt(void) {
	struct gpt_partition p;

	make_table();
	CHECK(gpt_crc32("123456789", 9) == 0xcbf43926);
	CHECK(gpt_crc32(table, sizeof(table)) == crc32(table, sizeof(table)));
	CHECK(!read_all());
	CHECK(!gpt_find(&gpt, table, "root", &p) && p.first == 100 && p.count == 1900);
	CHECK(gpt_find(&gpt, table, "roo", &p) && gpt_find(&gpt, table, "roots", &p));
	partition(2, 2000, 2001, "123456789012345678901234567890123456");
	partition(3, 2002, 2003, "root");
	seal();
	CHECK(!read_all());
	CHECK(gpt_find(&gpt, table, "root", &p)); /* which one? */
	CHECK(!gpt_find(&gpt, table, "123456789012345678901234567890123456", &p));
	CHECK(gpt_find(&gpt, table, "1234567890123456789012345678901234567", &p));
}

static void test_gpt_wrong(void) {
	static const struct {
		uint32_t at, bytes;
		uint64_t value;
	} fields[] = {
		{0, 8, 0},           {8, 4, 0x20000},     {12, 4, 91},          {12, 4, 513},
		{12, 4, UINT32_MAX}, {24, 8, 2},          {40, 8, BLOCKS - 1},  {48, 8, BLOCKS},
		{48, 8, UINT64_MAX}, {72, 8, BLOCKS},     {72, 8, BLOCKS - 31}, {72, 8, UINT64_MAX},
		{80, 4, 0},          {80, 4, UINT32_MAX}, {84, 4, 0},           {84, 4, 64},
		{84, 4, 129},        {84, 4, 1U << 31},
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(fields); i++) {
		make_table();
		put(header + fields[i].at, fields[i].value, fields[i].bytes);
		seal();
		CHECK(read_all());
	}
	for (uint32_t i = 0; i < 92; i++) { /* a flipped bit anywhere */
		make_table();
		header[i] ^= 1;
		CHECK(read_all());
	}
	make_table();
	table[5000] ^= 1;
	CHECK(read_all());
	make_table();
	partition(5, 1999, 2005, "over");
	seal();
	CHECK(!strcmp(read_all(), "two partitions overlap"));
	make_table();
	partition(5, 2005, 2004, "backwards");
	seal();
	CHECK(read_all());
	make_table();
	partition(5, 33, 33, "in the table");
	seal();
	CHECK(read_all());
	make_table();
	partition(5, 2005, UINT64_MAX, "beyond");
	seal();
	CHECK(read_all());
}

/* --- token buckets --- */

/* What passes in ten seconds when it is asked for at every step. */
static uint64_t passes(uint64_t rate, uint64_t size, uint64_t step) {
	struct bucket bucket;
	uint64_t sum = 0;

	bucket_init(&bucket, rate, 0);
	for (uint64_t now = 0; now < 10000000000ULL; now += step)
		while (!bucket_wait(&bucket, now)) {
			bucket_charge(&bucket, size);
			sum += size;
		}
	return sum;
}

/* Within 3 %, and the part of a request that is owed at the end. */
static void near(uint64_t rate, uint64_t size, uint64_t step) {
	uint64_t sum = passes(rate, size, step), expected = rate * 10;

	CHECK(sum + size >= expected * 97 / 100 && sum <= expected * 103 / 100 + size);
}

static void test_bucket(void) {
	struct bucket bucket;
	uint64_t wait;

	near(100, 1, 1000003);
	near(100, 1, 10007);
	near(1000000, 4096, 100003);
	near(100000, 262144, 1000003);
	near(10000000000ULL, 262144, 1000003);
	near(3, 1, 999983);

	bucket_init(&bucket, 0, 0);
	bucket_charge(&bucket, UINT32_MAX);
	CHECK(!bucket_wait(&bucket, 1));
	/* At the time that it names there is something. */
	bucket_init(&bucket, 1000, 0);
	bucket_charge(&bucket, 5000);
	wait = bucket_wait(&bucket, 0);
	CHECK(wait > 4900000000ULL && wait < 5100000000ULL);
	CHECK(bucket_wait(&bucket, wait - 3000000) && !bucket_wait(&bucket, wait));
	bucket_init(&bucket, UINT64_MAX, 0);
	bucket_charge(&bucket, 1ULL << 40);
	CHECK(bucket_wait(&bucket, 1) && !bucket_wait(&bucket, UINT64_MAX / 2));
}

/* --- the configuration --- */

static const char *checked(void) { return config_check(&rig_blob, sizeof(rig_blob)); }

#define WRONG(assignment)                 \
	do {                              \
		rig_default(1, 0, true);  \
		assignment;               \
		CHECK(checked() != NULL); \
	} while (0)

static void test_config(void) {
	rig_world();
	rig_default(1, 0, true);
	CHECK(!checked());
	CHECK(config_check(&rig_blob, 55) && config_check(&rig_blob, sizeof(rig_blob) - 1));
	WRONG(rig_blob.config.magic++);
	WRONG(rig_blob.config.version++);
	WRONG(rig_blob.config.total_size++);
	WRONG(rig_blob.config.volume_count = UINT32_MAX);
	WRONG(rig_blob.config.volumes = UINT32_MAX - 7);
	WRONG(rig_blob.config.volumes++);
	WRONG(rig_blob.config.extents = sizeof(rig_blob) - 24);
	WRONG(rig_blob.config.strings_size = 0);
	WRONG(rig_blob.config.strings_size = UINT32_MAX);
	WRONG(rig_blob.strings[255] = 'x');
	WRONG(rig_blob.volume[0].extent_count = 2);
	WRONG(rig_blob.volume[0].first_extent = UINT32_MAX);
	WRONG(rig_blob.volume[0].name = 256);
	WRONG(rig_blob.extent[0].disk = BLK_MAX_DISKS);
	WRONG(rig_blob.extent[0].driver = UINT32_MAX);
	WRONG((rig_blob.extent[0].first = UINT64_MAX, rig_blob.extent[0].count = 1));
	WRONG(rig_blob.disk[0].volume = 1);
	WRONG(rig_blob.disk[0].guest = 300);
}

/* --- volumes --- */

static void serve(void) {
	for (uint32_t i = 0; i < 40; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
		while (rig_device(false))
			;
		blk_driver_work(&rig_driver);
	}
}

static void run(void) {
	rig_driver_start(&rig_disk);
	rig_server();
	serve();
}

static void test_extents(void) {
	uint64_t sector = 150, left;

	rig_world();
	rig_default(1, 0, true);
	rig_blob.config.extent_count = rig_blob.volume[0].extent_count = 2;
	rig_blob.extent[1] = rig_blob.extent[0];
	rig_blob.extent[0].first = 1000;
	rig_blob.extent[0].count = 100;
	rig_blob.extent[1].first = 40;
	rig_blob.extent[1].count = 100;
	run();
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.volume[0].sectors == 200);
	CHECK(volume_map(&vbd.volume[0], &sector, &left) == 1 && sector == 90 && left == 50);
	sector = 99;
	CHECK(volume_map(&vbd.volume[0], &sector, &left) == 0 && sector == 1099 && left == 1);
}

/* Only this disk fails, and another goes on. */
static void fails(const char *why) {
	rig_blob.config.disk_count = rig_blob.config.volume_count = 2;
	rig_blob.config.extent_count = 3;
	rig_blob.volume[1] = (struct vbd_volume){
		.name = rig_string("good"), .first_extent = 2, .extent_count = 1};
	rig_blob.extent[2] =
		(struct vbd_extent){.driver = rig_string("driver"), .first = 4000, .count = 80};
	rig_blob.disk[1] = rig_blob.disk[0];
	rig_blob.disk[1].guest = rig_string("two");
	rig_blob.disk[1].volume = 1;
	run();
	CHECK(vbd.device[0].end.state == BACKEND_FAILED && vbd.device[1].end.state == BACKEND_LIVE);
	if (why) CHECK(!strcmp(vbd.volume[0].failure, why));
}

#define FAILS(assignment, why)           \
	do {                             \
		rig_default(1, 0, true); \
		assignment;              \
		fails(why);              \
	} while (0)

static void test_volumes_wrong(void) {
	rig_world();
	FAILS(rig_blob.extent[0].first = SECTORS + 1, "it begins beyond the end of the disk");
	FAILS(rig_blob.extent[0].count = SECTORS + 1, "the disk is too small for it");
	FAILS(rig_blob.extent[0].first = SECTORS, "it has no sectors");
	FAILS(rig_blob.extent[0].disk = 1, "the driver has no such disk");
	FAILS(rig_blob.extent[0].driver = rig_string("nobody"),
	      "this server is not connected with its driver");
	FAILS((rig_blob.volume[0].extent_count = 2, rig_blob.extent[1] = rig_blob.extent[0],
	       rig_blob.extent[0].count = rig_blob.extent[1].count = 80,
	       rig_blob.extent[1].first = 72),
	      "two of its extents overlap");
	FAILS(rig_blob.extent[0].partition = rig_string("root"), "no partition table");
}

/* Two writers of the same sectors: the first has them, unless both say shared. */
static void test_conflict(void) {
	rig_world();
	for (uint32_t i = 0; i < 4; i++) {
		rig_default(1, 0, true);
		rig_blob.config.disk_count = 2;
		rig_blob.disk[1] = rig_blob.disk[0];
		rig_blob.disk[1].guest = rig_string("two");
		if (i) rig_blob.disk[1].flags = VBD_READONLY;
		if (i == 2) rig_blob.disk[0].flags = VBD_READONLY;
		if (i == 3) rig_blob.disk[0].flags = rig_blob.disk[1].flags = VBD_SHARED;
		rig_world();
		run();
		CHECK(vbd.device[0].end.state == BACKEND_LIVE);
		CHECK((vbd.device[1].end.state == BACKEND_LIVE) == (i >= 2));
	}
}

/* --- partitions found on the disk --- */

static void write_table(uint64_t header_at, uint64_t table_at) {
	make_table();
	gpt.blocks = SECTORS;
	put(header + 48, SECTORS - 34, 8);
	put(header + 24, header_at, 8);
	put(header + 72, table_at, 8);
	seal();
	memcpy((uint8_t *)world->disk + header_at * 512, header, 512);
	memcpy((uint8_t *)world->disk + table_at * 512, table, sizeof(table));
}

static void describe_partition(const char *name) {
	rig_world();
	rig_default(1, 0, true);
	rig_blob.extent[0].partition = rig_string(name);
	write_table(1, 2);
	write_table(SECTORS - 1, SECTORS - 33);
}

static void test_partitions(void) {
	struct blk_disk small = rig_disk;

	describe_partition("root");
	run();
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.volume[0].sectors == 1900);
	CHECK(vbd.volume[0].extent[0].first == 100);

	describe_partition("root");
	((uint8_t *)world->disk)[512 + 50] ^= 1; /* the backup is used */
	run();
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.volume[0].sectors == 1900);

	describe_partition("root");
	((uint8_t *)world->disk)[512 + 50] ^= 1;
	((uint8_t *)world->disk)[(SECTORS - 10) * 512] ^= 1;
	run();
	CHECK(vbd.device[0].end.state == BACKEND_FAILED);

	describe_partition("home");
	run();
	CHECK(!strcmp(vbd.volume[0].failure, "no partition has this name"));

	describe_partition("root");
	small.max_segments = 1; /* the table comes in pieces */
	rig_driver_start(&small);
	rig_server();
	serve();
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.volume[0].sectors == 1900);

	describe_partition("root");
	rig_fail_status = BLK_STATUS_IO; /* of the first header */
	run();
	CHECK(vbd.device[0].end.state == BACKEND_LIVE && vbd.volume[0].sectors == 1900);
}

/* A driver that never comes holds up nobody but its own disks for longer than is said. */
static void test_other_driver_away(void) {
	rig_world();
	rig_default(1, 0, true);
	rig_driver_start(&rig_disk);
	rig_server();
	vbd.driver[1] = vbd.driver[0];
	vbd.driver[1].away_since = rig_time;
	vbd.driver[1].dma.frozen = true;
	vbd.driver_count = 2;
	for (uint32_t i = 0; i < 20; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
	}
	CHECK(vbd.device[0].end.state == BACKEND_WAITING);
	rig_time += 61000000000ULL;
	for (uint32_t i = 0; i < 20; i++) {
		rig_serve();
		blk_driver_work(&rig_driver);
	}
	CHECK(vbd.driver[1].given_up && vbd.device[0].end.state == BACKEND_LIVE);
}

int main(void) {
	static const struct test tests[] = {
		{"partition tables", test_gpt},
		{"broken partition tables", test_gpt_wrong},
		{"token buckets", test_bucket},
		{"the configuration", test_config},
		{"volumes of several extents", test_extents},
		{"volumes that can't be had", test_volumes_wrong},
		{"two disks of the same sectors", test_conflict},
		{"partitions by name", test_partitions},
		{"another driver that never comes", test_other_driver_away},
	};

	world = calloc(1, sizeof(*world));
	return RUN("vbd_parts", tests);
}
