// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A packet program that calls a kfunc, one that calls a kfunc no kernel has,
 * one that reads beyond the packet, and an optional one.
 */
#include <modbpf/core.h>

struct bpf_dynptr {
	u64 opaque[2];
} __attribute__((aligned(8)));

struct xdp_md {
	u32 data, data_end;
};

extern int bpf_dynptr_from_xdp(struct xdp_md *xdp, u64 flags, struct bpf_dynptr *ptr) __ksym;
extern int bpf_no_such_kfunc(struct xdp_md *xdp) __ksym;

SEC("xdp")
int calls(struct xdp_md *ctx)
{
	struct bpf_dynptr d;

	bpf_dynptr_from_xdp(ctx, 0, &d);
	return 2;
}

SEC("xdp")
int calls_missing(struct xdp_md *ctx)
{
	return bpf_no_such_kfunc(ctx) + 2;
}

SEC("xdp")
int reads_beyond(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(long)ctx->data;

	return data[14] ? 1 : 2;
}

SEC("?xdp")
int optional(struct xdp_md *ctx)
{
	return 2;
}

char _license[] SEC("license") = "Dual BSD/GPL";
