// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Scalable TCP (T. Kelly, "Scalable TCP: improving performance in highspeed
 * wide area networks", 2003): the window grows by a hundredth of what was
 * acknowledged and shrinks by an eighth on loss, so recovery takes the same
 * number of round trips at any speed.
 */
#include <modbpf/tcp.h>

#define INCREASE_EVERY 100u /* a = 0.01 */
#define DECREASE_SHIFT 3    /* b = 1/8 */

SEC("struct_ops/scalable_cong_avoid")
void scalable_cong_avoid(u64 *args)
{
	struct tcp_sock *tp = tcp_sk((struct sock *)args[0]);
	u32 acked = args[2];

	if (!cwnd_limited(tp))
		return;
	if (in_slow_start(tp)) {
		acked = slow_start(tp, acked);
		if (!acked)
			return;
	}
	additive_increase(tp, min(tp->snd_cwnd, INCREASE_EVERY), acked);
}

SEC("struct_ops/scalable_ssthresh")
u32 scalable_ssthresh(u64 *args)
{
	struct tcp_sock *tp = tcp_sk((struct sock *)args[0]);
	u32 cwnd = tp->snd_cwnd;

	return max(cwnd - (cwnd >> DECREASE_SHIFT), 2u);
}

SEC("struct_ops/scalable_undo_cwnd")
u32 scalable_undo_cwnd(u64 *args)
{
	return undo_to_prior(tcp_sk((struct sock *)args[0]));
}

TCP_DRIVER(scalable) = {
	.cong_avoid = (void *)scalable_cong_avoid,
	.ssthresh = (void *)scalable_ssthresh,
	.undo_cwnd = (void *)scalable_undo_cwnd,
	.name = "bpf_scalable",
};

LICENSE("Dual BSD/GPL");
