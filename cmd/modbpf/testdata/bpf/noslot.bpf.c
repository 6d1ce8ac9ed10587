// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A congestion control without undo_cwnd, which every kernel wants. */
#include <modbpf/tcp.h>

SEC("struct_ops/ssthresh")
u32 ssthresh(u64 *args)
{
	return 2;
}

SEC("struct_ops/cong_avoid")
void cong_avoid(u64 *args)
{
}

TCP_DRIVER(noslot) = {
	.ssthresh = (void *)ssthresh,
	.cong_avoid = (void *)cong_avoid,
	.name = "bpf_noslot",
};

LICENSE("Dual BSD/GPL");
