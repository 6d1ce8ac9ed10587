// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * H-TCP (D. Leith, R. Shorten, 2004): grows faster the longer no loss has occurred,
 * and shrinks by the ratio of smallest to largest round trip, unless throughput
 * has just changed by more than a fifth.
 */
#include <modbpf/tcp.h>

PARAM(bool, use_rtt_scaling) = true;
PARAM(bool, use_bandwidth_switch) = true;

#define ALPHA_BASE (1 << 7) /* 1.0 */
#define BETA_MIN (1 << 6)   /* 0.5 */
#define BETA_MAX 102        /* 0.8 */

struct htcp {
	u32 alpha; /* in 1/128 */
	u8 beta;   /* in 1/128 */
	u8 modeswitch; /* a loss was seen already */
	u16 pkts_acked;
	u32 packetcount;
	u32 min_rtt, max_rtt; /* jiffies */
	u32 last_cong; /* when the last congestion ended */
	u32 undo_last_cong, undo_max_rtt, undo_old_max_b;
	u32 min_b, max_b, old_max_b, bi; /* throughput, segments a second */
	u32 lasttime;
};

SEC("struct_ops/htcp_init")
void htcp_init(u64 *args)
{
	struct htcp *ca = ca_priv((struct sock *)args[0]);

	ca->beta = BETA_MIN;
	ca->modeswitch = 0;
	ca->pkts_acked = 1;
	ca->packetcount = 0;
	ca->min_rtt = 0;
	ca->max_rtt = 0;
	ca->undo_last_cong = 0;
	ca->undo_max_rtt = 0;
	ca->undo_old_max_b = 0;
	ca->min_b = 0;
	ca->max_b = 0;
	ca->old_max_b = 0;
	ca->bi = 0;
	ca->lasttime = 0;
	ca->alpha = ALPHA_BASE;
	ca->last_cong = jiffies();
}

SEC("struct_ops/htcp_pkts_acked")
void htcp_pkts_acked(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct htcp *ca = ca_priv(sk);
	const struct ack_sample *sample = (const struct ack_sample *)args[1];
	u32 now = jiffies(), state = ca_state(sk), acked = sample->pkts_acked, elapsed;
	s32 rtt_us = sample->rtt_us;

	if (state == TCP_CA_Open)
		ca->pkts_acked = acked;
	if (rtt_us > 0) {
		u32 rtt = usecs_to_jiffies(rtt_us);

		if (ca->min_rtt > rtt || !ca->min_rtt)
			ca->min_rtt = rtt;
		if (state == TCP_CA_Open) {
			if (ca->max_rtt < ca->min_rtt)
				ca->max_rtt = ca->min_rtt;
			if (ca->max_rtt < rtt && rtt <= ca->max_rtt + msecs_to_jiffies(20))
				ca->max_rtt = rtt;
		}
	}
	if (!use_bandwidth_switch)
		return;
	if (state != TCP_CA_Open && state != TCP_CA_Disorder) {
		ca->packetcount = 0;
		ca->lasttime = now;
		return;
	}
	ca->packetcount += acked;
	elapsed = now - ca->lasttime;
	if (ca->packetcount >= tp->snd_cwnd - ((ca->alpha >> 7) ? (ca->alpha >> 7) : 1) && elapsed >= ca->min_rtt &&
	    ca->min_rtt > 0) {
		u32 rate = elapsed ? ca->packetcount * CONFIG_HZ / elapsed : 0;

		if ((now - ca->last_cong) / ca->min_rtt <= 3) {
			ca->min_b = rate;
			ca->max_b = rate;
			ca->bi = rate;
		} else {
			ca->bi = (3 * ca->bi + rate) / 4;
			if (ca->bi > ca->max_b)
				ca->max_b = ca->bi;
			if (ca->min_b > ca->max_b)
				ca->min_b = ca->max_b;
		}
		ca->packetcount = 0;
		ca->lasttime = now;
	}
}

static __always_inline void update_alpha(struct htcp *ca)
{
	u32 hz = CONFIG_HZ, factor = 1, since = jiffies() - ca->last_cong;

	if (since > hz) {
		since -= hz;
		factor = 1 + (10 * since + ((since / 2) * (since / 2) / hz)) / hz;
	}
	if (use_rtt_scaling && ca->min_rtt) {
		u32 scale = (hz << 3) / (10 * ca->min_rtt);

		scale = min(max(scale, 1u << 2), 10u << 3);
		factor = (factor << 3) / scale;
		if (!factor)
			factor = 1;
	}
	ca->alpha = 2 * factor * ((1 << 7) - ca->beta);
	if (!ca->alpha)
		ca->alpha = ALPHA_BASE;
}

static __always_inline void update_beta(struct htcp *ca, u32 min_rtt, u32 max_rtt)
{
	if (use_bandwidth_switch) {
		u32 max_b = ca->max_b, old = ca->old_max_b;

		ca->old_max_b = max_b;
		/* 5 * max_b outside 4..6 times the old maximum, modulo 2^32 */
		if (6 * old - 4 * old < 5 * max_b - 4 * old) {
			ca->beta = BETA_MIN;
			ca->modeswitch = 0;
			return;
		}
	}
	if (ca->modeswitch && min_rtt > msecs_to_jiffies(10) && max_rtt) {
		u8 beta = (min_rtt << 7) / max_rtt;

		ca->beta = min(max(beta, (u8)BETA_MIN), (u8)BETA_MAX);
	} else {
		ca->beta = BETA_MIN;
		ca->modeswitch = 1;
	}
}

SEC("struct_ops/htcp_ssthresh")
u32 htcp_ssthresh(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct htcp *ca = ca_priv(sk);
	u32 min_rtt = ca->min_rtt, max_rtt = ca->max_rtt;

	update_beta(ca, min_rtt, max_rtt);
	update_alpha(ca);
	/* the largest round trip fades, so that a change of route is noticed */
	if (min_rtt > 0 && max_rtt > min_rtt)
		ca->max_rtt = min_rtt + ((max_rtt - min_rtt) * 95) / 100;
	return max((tp->snd_cwnd * ca->beta) >> 7, 2u);
}

SEC("struct_ops/htcp_cong_avoid")
void htcp_cong_avoid(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct htcp *ca = ca_priv(sk);
	u32 cwnd;

	if (!cwnd_limited(tp))
		return;
	if (in_slow_start(tp)) {
		slow_start(tp, args[2]);
		return;
	}
	cwnd = tp->snd_cwnd;
	if ((tp->snd_cwnd_cnt * ca->alpha) >> 7 >= cwnd) {
		if (cwnd < tp->snd_cwnd_clamp)
			tp->snd_cwnd = cwnd + 1;
		tp->snd_cwnd_cnt = 0;
		update_alpha(ca);
	} else {
		tp->snd_cwnd_cnt += ca->pkts_acked;
	}
	ca->pkts_acked = 1;
}

SEC("struct_ops/htcp_set_state")
void htcp_set_state(u64 *args)
{
	struct htcp *ca = ca_priv((struct sock *)args[0]);

	switch ((u8)args[1]) {
	case TCP_CA_Open:
		if (ca->undo_last_cong) {
			ca->last_cong = jiffies();
			ca->undo_last_cong = 0;
		}
		break;
	case TCP_CA_CWR:
	case TCP_CA_Recovery:
	case TCP_CA_Loss:
		ca->undo_last_cong = ca->last_cong;
		ca->undo_max_rtt = ca->max_rtt;
		ca->undo_old_max_b = ca->old_max_b;
		ca->last_cong = jiffies();
		break;
	}
}

SEC("struct_ops/htcp_undo_cwnd")
u32 htcp_undo_cwnd(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct htcp *ca = ca_priv(sk);

	if (ca->undo_last_cong) {
		ca->last_cong = ca->undo_last_cong;
		ca->max_rtt = ca->undo_max_rtt;
		ca->old_max_b = ca->undo_old_max_b;
		ca->undo_last_cong = 0;
	}
	return undo_to_prior(tp);
}

TCP_DRIVER(htcp) = {
	.init = (void *)htcp_init,
	.cong_avoid = (void *)htcp_cong_avoid,
	.ssthresh = (void *)htcp_ssthresh,
	.undo_cwnd = (void *)htcp_undo_cwnd,
	.set_state = (void *)htcp_set_state,
	.pkts_acked = (void *)htcp_pkts_acked,
	.name = "bpf_htcp",
};

LICENSE("Dual BSD/GPL");
