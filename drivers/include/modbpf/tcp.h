/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP congestion control: the tcp_congestion_ops table, the fields of a socket
 * that algorithms use, and the window arithmetic they share (RFC 5681).
 */
#ifndef MODBPF_TCP_H
#define MODBPF_TCP_H

#include <modbpf/core.h>

enum tcp_ca_state {
	TCP_CA_Open,
	TCP_CA_Disorder,
	TCP_CA_CWR,
	TCP_CA_Recovery,
	TCP_CA_Loss,
};

enum tcp_ca_event {
	CA_EVENT_TX_START,
	CA_EVENT_CWND_RESTART,
	CA_EVENT_COMPLETE_CWR,
	CA_EVENT_LOSS,
};

KERNEL_TYPES_BEGIN
struct sock {
	unsigned long sk_pacing_rate;
};

struct inet_connection_sock {
	u8 icsk_ca_state : 5;
	u64 icsk_ca_priv[13];
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 snd_cwnd;
	u32 snd_cwnd_cnt;
	u32 snd_cwnd_clamp;
	u32 snd_ssthresh;
	u32 snd_una;
	u32 snd_nxt;
	u32 prior_cwnd;
	u32 max_packets_out;
	u32 srtt_us;
	u32 mss_cache;
	u8 is_cwnd_limited : 1;
};

struct ack_sample {
	u32 pkts_acked;
	s32 rtt_us;
	u32 in_flight;
};

struct rate_sample;

struct tcp_congestion_ops {
	u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	void (*set_state)(struct sock *sk, u8 new_state);
	void (*cwnd_event)(struct sock *sk, enum tcp_ca_event ev);
	void (*in_ack_event)(struct sock *sk, u32 flags);
	void (*pkts_acked)(struct sock *sk, const struct ack_sample *sample);
	u32 (*min_tso_segs)(struct sock *sk);
	void (*cong_control)(struct sock *sk, u32 ack, int flag, const struct rate_sample *rs);
	u32 (*undo_cwnd)(struct sock *sk);
	u32 (*sndbuf_expand)(struct sock *sk);
	char name[16];
	void (*init)(struct sock *sk);
	void (*release)(struct sock *sk);
	u32 flags;
	void (*cwnd_event_tx_start)(struct sock *sk); /* 7.1; before, cwnd_event(CA_EVENT_TX_START) */
};
KERNEL_TYPES_END

extern unsigned int CONFIG_HZ __kconfig;

/* The bit of in_ack_event's flags that says the ACK took the slow path. */
#define CA_ACK_SLOWPATH (1 << 0)

#define TCP_DRIVER(name) SEC(".struct_ops.link") struct tcp_congestion_ops name

static __always_inline struct tcp_sock *tcp_sk(struct sock *sk)
{
	return (struct tcp_sock *)sk;
}

/* An algorithm's own state lives in the socket: at most 104 bytes. */
static __always_inline void *ca_priv(struct sock *sk)
{
	return ((struct inet_connection_sock *)sk)->icsk_ca_priv;
}

static __always_inline u32 ca_state(struct sock *sk)
{
	return bit_field((struct inet_connection_sock *)sk, icsk_ca_state);
}

static __always_inline u32 jiffies(void)
{
	return bpf_jiffies64();
}

/* Rounded up, as the kernel's conversions are. */
static __always_inline u32 usecs_to_jiffies(u32 us)
{
	u32 tick = 1000000u / CONFIG_HZ;

	return us / tick + (us % tick != 0);
}

static __always_inline u32 msecs_to_jiffies(u32 ms)
{
	return usecs_to_jiffies(ms * 1000);
}

static __always_inline bool in_slow_start(const struct tcp_sock *tp)
{
	return tp->snd_cwnd < tp->snd_ssthresh;
}

/* A sender that does not fill its window must not grow it (RFC 7661). */
static __always_inline bool cwnd_limited(const struct tcp_sock *tp)
{
	if (bit_field(tp, is_cwnd_limited))
		return true;
	return in_slow_start(tp) && tp->snd_cwnd < 2 * tp->max_packets_out;
}

/* Exponential growth up to ssthresh; returns the segments acknowledged beyond it. */
static __always_inline u32 slow_start(struct tcp_sock *tp, u32 acked)
{
	u32 before = tp->snd_cwnd;
	u32 cwnd = min(before + acked, tp->snd_ssthresh);

	tp->snd_cwnd = min(cwnd, tp->snd_cwnd_clamp);
	return acked - (cwnd - before);
}

/*
 * Additive increase: one segment for each w acknowledged. Credit gathered while
 * w was larger is worth one segment, no more.
 */
static __always_inline void additive_increase(struct tcp_sock *tp, u32 w, u32 acked)
{
	u32 cwnd = tp->snd_cwnd, count = tp->snd_cwnd_cnt;

	if (count >= w) {
		count = 0;
		cwnd++;
	}
	count += acked;
	if (count >= w) {
		u32 delta = count / w;

		count -= delta * w;
		cwnd += delta;
	}
	tp->snd_cwnd_cnt = count;
	tp->snd_cwnd = min(cwnd, tp->snd_cwnd_clamp);
}

/* Reno (RFC 5681): one segment each round trip. */
static __always_inline void reno_cong_avoid(struct tcp_sock *tp, u32 acked)
{
	if (!cwnd_limited(tp))
		return;
	if (in_slow_start(tp)) {
		acked = slow_start(tp, acked);
		if (!acked)
			return;
	}
	additive_increase(tp, tp->snd_cwnd, acked);
}

static __always_inline u32 reno_ssthresh(const struct tcp_sock *tp)
{
	return max(tp->snd_cwnd >> 1, 2u);
}

/* After a false alarm the window goes back to where it was. */
static __always_inline u32 undo_to_prior(const struct tcp_sock *tp)
{
	return max(tp->snd_cwnd, tp->prior_cwnd);
}

#endif
