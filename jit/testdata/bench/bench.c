// SPDX-License-Identifier: Apache-2.0

// The workloads of the speed table, compiled to BPF and to native code. Each is
// a function of a 2048-byte block of memory.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define noinline __attribute__((__noinline__))
#define always_inline inline __attribute__((always_inline))

#ifdef __bpf__
#define FN(name) __attribute__((section("bench/" #name), used)) u64 name(u8 *ctx)
#define SUB(name) __attribute__((section("bench/" #name), __noinline__)) static

struct {
	int (*type)[2];
	int (*max_entries)[64];
	u32 *key;
	u64 *value;
} counters __attribute__((section(".maps"), used));

struct {
	int (*type)[1];
	int (*max_entries)[1024];
	u64 *key;
	u64 *value;
} flows __attribute__((section(".maps"), used));

static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
#define ARRAY(ctx, key) ((u64 *)map_lookup(&counters, key))
#define HASH(ctx, key) ((u64 *)map_lookup(&flows, key))
#else
#define FN(name) __attribute__((visibility("default"))) u64 name(u8 *ctx)
#define SUB(name) static noinline

// The harness writes where the maps are to the end of the block.
struct native_maps {
	u64 *counters;
	u64 buckets, mask, seed;
};
#define MAPS(ctx) ((struct native_maps *)(ctx + 2048 - sizeof(struct native_maps)))

static always_inline u64 *array_at(u8 *ctx, const u32 *key)
{
	return *key < 64 ? &MAPS(ctx)->counters[*key] : (u64 *)0;
}

// The same table the program sees, walked by the same rules.
static always_inline u64 *hash_at(u8 *ctx, const u64 *key)
{
	struct native_maps *m = MAPS(ctx);
	unsigned __int128 p = (unsigned __int128)(m->seed ^ *key) * 0x9e3779b97f4a7c15ull;
	u32 h = (u32)((u64)p ^ (u64)(p >> 64));
	for (;;) {
		u64 e = __atomic_load_n((u64 *)(m->buckets + (h & m->mask) * 8), __ATOMIC_ACQUIRE);
		if (!e)
			return (u64 *)0;
		for (; !(e & 1); e = __atomic_load_n((u64 *)e, __ATOMIC_ACQUIRE))
			if (*(u32 *)(e + 8) == h && *(u64 *)(e + 16) == *key)
				return (u64 *)(e + 24);
		if ((u32)(e >> 1) == (h & m->mask))
			return (u64 *)0;
	}
}
#define ARRAY(ctx, key) array_at(ctx, key)
#define HASH(ctx, key) hash_at(ctx, key)
#endif

FN(empty) { return 0; }

// A tablet's 64-byte report becomes a standard one: bits moved, axes scaled,
// dials decoded.
FN(hid)
{
	u8 *d = ctx;
	u32 x, y, p, buttons;
	int i;

	if (d[0] != 8 && d[0] != 7)
		return 0;
	buttons = d[1];
	x = d[2] | d[3] << 8 | (u32)d[8] << 16;
	y = d[4] | d[5] << 8 | (u32)d[9] << 16;
	p = d[6] | d[7] << 8;
	d[0] = 7;
	d[1] = (buttons & 1) | (buttons & 2) << 1 | (buttons & 4) >> 1 | (buttons & 0x80 ? 0x20 : 0);
	x = x * 3 / 2;
	y = 65535 - (y & 0xffff);
	d[2] = x;
	d[3] = x >> 8;
	d[4] = y;
	d[5] = y >> 8;
	if (p > 8191)
		p = 8191;
	d[6] = p;
	d[7] = p >> 8;
	switch (d[10]) {
	case 1: d[11] = 1; break;
	case 2: d[11] = 0xff; break;
	default: d[11] = 0;
	}
	for (i = 12; i < 64; i += 4) {
		u8 a = d[i], b = d[i + 1];
		d[i] = b ^ 0x55;
		d[i + 1] = a + 1;
		d[i + 2] &= 0x7f;
		d[i + 3] |= 1;
	}
	return 12 + (x & 1);
}

// Ethernet, IPv4 or IPv6, TCP or UDP: the length comes first.
FN(parse)
{
	u64 len = *(u32 *)ctx;
	u8 *p = ctx + 64, *l4;
	u16 proto;
	u64 off = 14;
	u8 next;
	u64 hash;

	if (len > 1500)
		return 0;
	if (len < 14 + 20)
		return 1;
	proto = p[12] << 8 | p[13];
	if (proto == 0x8100) {
		proto = p[16] << 8 | p[17];
		off = 18;
	}
	if (proto == 0x0800) {
		u32 ihl = (p[off] & 0xf) * 4;
		if (ihl < 20 || off + ihl + 20 > len)
			return 2;
		if (p[off] >> 4 != 4)
			return 3;
		next = p[off + 9];
		hash = *(u32 *)(p + off + 12) ^ (u64)*(u32 *)(p + off + 16) << 7;
		l4 = p + off + ihl;
	} else if (proto == 0x86dd) {
		if (off + 60 > len)
			return 2;
		next = p[off + 6];
		hash = *(u64 *)(p + off + 8) ^ *(u64 *)(p + off + 24);
		l4 = p + off + 40;
	} else {
		return 4;
	}
	if (next == 6) {
		u16 sport = l4[0] << 8 | l4[1], dport = l4[2] << 8 | l4[3];
		u8 flags = l4[13];
		if (dport == 22)
			return 5;
		hash = hash * 31 + (((u32)sport << 16) | dport);
		if (flags & 2)
			hash ^= 0xffff;
		return hash;
	}
	if (next == 17)
		return hash ^ (l4[0] << 8 | l4[1]);
	return 6;
}

// Counts words, numbers and quoted strings in 256 bytes.
FN(state)
{
	u32 s = 0, words = 0, numbers = 0, strings = 0;
	int i;

	for (i = 0; i < 256; i++) {
		u8 c = ctx[i];
		switch (s) {
		case 0:
			if (c >= 'a' && c <= 'z') {
				s = 1;
				words++;
			} else if (c >= '0' && c <= '9') {
				s = 2;
				numbers++;
			} else if (c == '"') {
				s = 3;
				strings++;
			}
			break;
		case 1:
			if (!(c >= 'a' && c <= 'z'))
				s = c == '"' ? 3 : 0;
			break;
		case 2:
			if (!(c >= '0' && c <= '9'))
				s = 0;
			break;
		case 3:
			if (c == '\\')
				s = 4;
			else if (c == '"')
				s = 0;
			break;
		case 4:
			s = 3;
			break;
		}
	}
	return words | (u64)numbers << 16 | (u64)strings << 32 | (u64)s << 48;
}

SUB(calls) u64 leaf(u64 a, u64 b);
SUB(calls) u64 middle(u64 a, u64 b, u64 c);

FN(calls)
{
	u64 s = 1;
	int i;

	for (i = 0; i < 16; i++)
		s += middle(s, ctx[i], i);
	return s;
}

SUB(calls) u64 leaf(u64 a, u64 b) { return a * 3 + (b ^ 0x55); }
SUB(calls) u64 middle(u64 a, u64 b, u64 c) { return leaf(a, b) + leaf(b, c) * 5 + c; }

FN(array8)
{
	u64 sum = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < 8; i++) {
		u32 key = ctx[i];
		u64 *v = ARRAY(ctx, &key);
		if (v)
			sum += ++*v;
	}
	return sum;
}

FN(hash4)
{
	u64 sum = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < 4; i++) {
		u64 key = ctx[i];
		u64 *v = HASH(ctx, &key);
		if (v)
			sum += ++*v;
	}
	return sum;
}

#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))
#define SIPROUND                                                                                        \
	do {                                                                                            \
		v0 += v1; v1 = ROTL(v1, 13); v1 ^= v0; v0 = ROTL(v0, 32);                                \
		v2 += v3; v3 = ROTL(v3, 16); v3 ^= v2;                                                   \
		v0 += v3; v3 = ROTL(v3, 21); v3 ^= v0;                                                   \
		v2 += v1; v1 = ROTL(v1, 17); v1 ^= v2; v2 = ROTL(v2, 32);                                \
	} while (0)

FN(siphash)
{
	u64 k0 = 0x0706050403020100ull, k1 = 0x0f0e0d0c0b0a0908ull;
	u64 v0 = k0 ^ 0x736f6d6570736575ull, v1 = k1 ^ 0x646f72616e646f6dull;
	u64 v2 = k0 ^ 0x6c7967656e657261ull, v3 = k1 ^ 0x7465646279746573ull;
	u64 b = 1500ull << 56;
	int i;

	for (i = 0; i < 187; i++) {
		u64 m = ((u64 *)ctx)[i];
		v3 ^= m;
		SIPROUND;
		SIPROUND;
		v0 ^= m;
	}
	b |= *(u32 *)(ctx + 1496);
	v3 ^= b;
	SIPROUND;
	SIPROUND;
	v0 ^= b;
	v2 ^= 0xff;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

FN(csum16)
{
	u32 s = 0;
	int i;

#pragma clang loop vectorize(disable) unroll(disable)
	for (i = 0; i < 750; i++)
		s += ((u16 *)ctx)[i];
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (u16)~s;
}

FN(csum32)
{
	u64 s = 0;
	int i;

#pragma clang loop vectorize(disable) unroll(disable)
	for (i = 0; i < 375; i++)
		s += ((u32 *)ctx)[i];
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16 & 0xffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (u16)~s;
}

FN(swap)
{
	u64 s = 0;
	int i;

#pragma clang loop vectorize(disable) unroll(disable)
	for (i = 0; i < 64; i++) {
		u64 v = ((u64 *)ctx)[i];
		s += __builtin_bswap64(v) ^ __builtin_bswap32((u32)v) ^ __builtin_bswap16((u16)(v >> 32));
	}
	return s;
}
