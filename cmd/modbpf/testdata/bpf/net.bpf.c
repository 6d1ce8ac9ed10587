// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packet programs for the command line's tests: they count and let pass.
 * clang-19 -g -O2 --target=bpfel -mcpu=v3 -c net.bpf.c -o net.bpf.o && llvm-strip-19 -g net.bpf.o
 */
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))

static void *(*map_lookup)(void *map, const void *key) = (void *)1;

struct {
	int (*type)[2]; /* array */
	int (*max_entries)[2];
	u32 *key;
	u64 *value;
} counters SEC(".maps");

const volatile u32 step = 1;

static inline void count(u32 which)
{
	u64 *n = map_lookup(&counters, &which);

	if (n)
		*n += step;
}

SEC("xdp")
int count_xdp(void *ctx)
{
	count(0);
	return 2; /* XDP_PASS */
}

SEC("tcx/ingress")
int count_tcx(void *ctx)
{
	count(1);
	return -1; /* TCX_NEXT */
}

char _license[] SEC("license") = "Dual BSD/GPL";
