// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP Westwood+ (S. Mascolo et al., 2001): estimates the bandwidth from the rate of
 * ACKs and, after a loss, sets the window to what that bandwidth fills in the
 * smallest round trip, instead of halving it. `ss -i` cannot show its estimate:
 * the get_info slot cannot be filled by drivers.
 */
#include <modbpf/tcp.h>

struct westwood {
	u32 bw_ns_est, bw_est; /* bytes a jiffy: once and twice filtered */
	u32 window_start;
	u32 bk; /* bytes acknowledged in this window */
	u32 snd_una;
	u32 cumul_ack;
	u32 accounted; /* bytes of duplicate ACKs counted already */
	u32 rtt, rtt_min;
	u8 first_ack;
	u8 reset_rtt_min;
};

#define RTT_MIN (CONFIG_HZ / 20) /* 50 ms */
#define RTT_INIT (20 * CONFIG_HZ)

SEC("struct_ops/westwood_init")
void westwood_init(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct westwood *w = ca_priv(sk);

	w->bk = 0;
	w->bw_ns_est = 0;
	w->bw_est = 0;
	w->accounted = 0;
	w->cumul_ack = 0;
	w->reset_rtt_min = 1;
	w->rtt = RTT_INIT;
	w->rtt_min = RTT_INIT;
	w->window_start = jiffies();
	w->snd_una = tp->snd_una;
	w->first_ack = 1;
}

static __always_inline u32 smooth(u32 a, u32 b)
{
	return (7 * a + b) >> 3;
}

static __always_inline void update_window(struct westwood *w, const struct tcp_sock *tp)
{
	s32 delta = jiffies() - w->window_start;
	u32 rate;

	if (w->first_ack) {
		w->snd_una = tp->snd_una;
		w->first_ack = 0;
	}
	/* Shorter windows than 50 ms are not worth filtering. */
	if (!w->rtt || (u32)delta <= max(w->rtt, (u32)RTT_MIN))
		return;
	rate = delta ? w->bk / (u32)delta : 0;
	if (w->bw_ns_est == 0 && w->bw_est == 0) {
		w->bw_ns_est = rate;
		w->bw_est = rate;
	} else {
		w->bw_ns_est = smooth(w->bw_ns_est, rate);
		w->bw_est = smooth(w->bw_est, w->bw_ns_est);
	}
	w->bk = 0;
	w->window_start = jiffies();
}

/* Bytes this ACK stands for, when duplicates were counted before it. */
static __always_inline u32 acked_bytes(struct westwood *w, const struct tcp_sock *tp)
{
	u32 mss = tp->mss_cache;
	u32 n = tp->snd_una - w->snd_una;

	if (!n) {
		w->accounted += mss;
		n = mss;
	}
	if (n > mss) {
		if (w->accounted >= n) {
			w->accounted -= n;
			n = mss;
		} else {
			n -= w->accounted;
			w->accounted = 0;
		}
	}
	w->cumul_ack = n;
	w->snd_una = tp->snd_una;
	return n;
}

SEC("struct_ops/westwood_in_ack_event")
void westwood_in_ack_event(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct westwood *w = ca_priv(sk);

	update_window(w, tp);
	if ((u32)args[1] & CA_ACK_SLOWPATH) {
		w->bk += acked_bytes(w, tp);
	} else {
		w->bk += tp->snd_una - w->snd_una;
		w->snd_una = tp->snd_una;
	}
	if (w->reset_rtt_min) {
		w->rtt_min = w->rtt;
		w->reset_rtt_min = 0;
	} else {
		w->rtt_min = min(w->rtt, w->rtt_min);
	}
}

SEC("struct_ops/westwood_pkts_acked")
void westwood_pkts_acked(u64 *args)
{
	struct westwood *w = ca_priv((struct sock *)args[0]);
	const struct ack_sample *sample = (const struct ack_sample *)args[1];
	s32 rtt = sample->rtt_us;

	if (rtt > 0)
		w->rtt = usecs_to_jiffies(rtt);
}

SEC("struct_ops/westwood_cwnd_event")
void westwood_cwnd_event(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct westwood *w = ca_priv(sk);
	u32 event = args[1], mss = tp->mss_cache, fills;

	if (event != CA_EVENT_COMPLETE_CWR && event != CA_EVENT_LOSS)
		return;
	fills = max(mss ? w->bw_est * w->rtt_min / mss : 0, 2u);
	tp->snd_ssthresh = fills;
	if (event == CA_EVENT_COMPLETE_CWR)
		tp->snd_cwnd = fills;
	else
		w->reset_rtt_min = 1;
}

SEC("struct_ops/westwood_cong_avoid")
void westwood_cong_avoid(u64 *args)
{
	reno_cong_avoid(tcp_sk((struct sock *)args[0]), args[2]);
}

SEC("struct_ops/westwood_ssthresh")
u32 westwood_ssthresh(u64 *args)
{
	return reno_ssthresh(tcp_sk((struct sock *)args[0]));
}

SEC("struct_ops/westwood_undo_cwnd")
u32 westwood_undo_cwnd(u64 *args)
{
	return undo_to_prior(tcp_sk((struct sock *)args[0]));
}

TCP_DRIVER(westwood) = {
	.init = (void *)westwood_init,
	.cong_avoid = (void *)westwood_cong_avoid,
	.ssthresh = (void *)westwood_ssthresh,
	.undo_cwnd = (void *)westwood_undo_cwnd,
	.cwnd_event = (void *)westwood_cwnd_event,
	.in_ack_event = (void *)westwood_in_ack_event,
	.pkts_acked = (void *)westwood_pkts_acked,
	.name = "bpf_westwood",
};

LICENSE("Dual BSD/GPL");
