/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-512 and Ed25519: the vectors of FIPS 180-4 and RFC 8032, 7.1; what must be refused. */
#include "native.h"

#include "libs/ed25519/ed25519.h"
#include "libs/ed25519/sha512.h"

struct vector {
	const char *key, *signature, *message;
};

static const struct vector vectors[] = {
	{
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
		"5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		"",
	},
	{
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		"72",
	},
	{
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
		"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
		"af82",
	},
	{
		"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
		"dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
		"09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	}};

static uint8_t key[32], signature[64], message[64];
static size_t length;

static size_t from_hex(uint8_t *to, const char *hex) {
	size_t size = strlen(hex) / 2;

	for (size_t i = 0; i < size; i++) {
		unsigned value;

		CHECK(sscanf(hex + 2 * i, "%2x", &value) == 1);
		to[i] = (uint8_t)value;
	}
	return size;
}

static void take(const struct vector *v) {
	CHECK(from_hex(key, v->key) == sizeof(key));
	CHECK(from_hex(signature, v->signature) == sizeof(signature));
	length = from_hex(message, v->message);
}

static bool is_good(void) { return ed25519_verify(signature, key, message, length); }

static void test_sha512(void) {
	static const char abc[] =
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
	static const char million[] =
		"e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
		"de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b";
	static uint8_t text[1000000], expected[64], digest[64];
	struct sha512 sha;

	sha512_begin(&sha);
	sha512_add(&sha, "abc", 3);
	sha512_end(&sha, digest);
	from_hex(expected, abc);
	CHECK(!memcmp(digest, expected, sizeof(digest)));
	memset(text, 'a', sizeof(text));
	from_hex(expected, million);
	/* In pieces of all sizes, so that every place in a block is a border once. */
	for (size_t step = 1; step < 600; step += step < 140 ? 1 : 61) {
		sha512_begin(&sha);
		for (size_t at = 0; at < sizeof(text); at += step)
			sha512_add(&sha, text + at, MIN(step, sizeof(text) - at));
		sha512_end(&sha, digest);
		CHECK(!memcmp(digest, expected, sizeof(digest)));
	}
}

static void test_vectors(void) {
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		take(&vectors[i]);
		CHECK(is_good());
	}
}

/* One bit anywhere else, and it is another signature. */
static void test_altered(void) {
	for (size_t i = 1; i < ARRAY_SIZE(vectors); i++) {
		take(&vectors[i]);
		for (size_t bit = 0; bit < 512; bit += 3) {
			signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
			CHECK(!is_good());
			signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
			key[bit / 8 % 32] ^= (uint8_t)(1U << bit % 8);
			CHECK(!is_good());
			key[bit / 8 % 32] ^= (uint8_t)(1U << bit % 8);
			message[bit / 8 % length] ^= (uint8_t)(1U << bit % 8);
			CHECK(!is_good());
			message[bit / 8 % length] ^= (uint8_t)(1U << bit % 8);
		}
		length--;
		CHECK(!is_good());
		length++;
		CHECK(is_good());
	}
}

/* S and S + L give the same point: only the smaller one counts. */
static void test_large_s(void) {
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
					  0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
					  0xde, 0xf9, 0xde, 0x14, [31] = 0x10};

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		unsigned carry = 0;

		take(&vectors[i]);
		for (size_t n = 0; n < 32; n++) {
			carry += signature[32 + n] + order[n];
			signature[32 + n] = (uint8_t)carry;
			carry >>= 8;
		}
		CHECK(!carry && !is_good());
	}
	take(&vectors[0]);
	memcpy(signature + 32, order, sizeof(order));
	CHECK(!is_good());
	memset(signature + 32, 0xff, 32);
	CHECK(!is_good());
}

/*
 * Keys of small order, with the signatures that a careless check takes for good: R is one of
 * these points as well, S is 0. Then what is no point, or not written as it must be.
 */
static void test_bad_points(void) {
	static const char *const points[] = {
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0200000000000000000000000000000000000000000000000000000000000000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		for (size_t r = 0; r < ARRAY_SIZE(points); r++) {
			memset(signature, 0, sizeof(signature));
			from_hex(key, points[i]);
			from_hex(signature, points[r]);
			for (length = 0; length < 16; length++) CHECK(!is_good());
		}
		/* As R of a signature by a good key. */
		take(&vectors[2]);
		from_hex(signature, points[i]);
		CHECK(!is_good());
	}
}

static const struct test tests[] = {
	{"SHA-512", test_sha512},        {"the vectors of the RFC", test_vectors},
	{"altered", test_altered},       {"S not below the order", test_large_s},
	{"bad points", test_bad_points},
};

int main(void) { return RUN("ed25519", tests); }
