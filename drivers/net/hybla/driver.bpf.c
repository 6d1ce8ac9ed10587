// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP Hybla (C. Caini, R. Firrincieli, 2004): makes a connection with a long round
 * trip, a satellite's, grow its window as fast as one with a round trip of rtt0
 * milliseconds would. The kernel's module also sets snd_cwnd_clamp to 65535, a
 * field that drivers may not write: here the window itself is kept below it.
 */
#include <modbpf/tcp.h>

PARAM(u32, rtt0) = 25; /* reference round trip in milliseconds */

#define CLAMP 65535u

struct hybla {
	bool enabled;
	u32 cents;    /* fractions of a segment, in 1/128 */
	u32 rho;      /* round trip over rtt0 */
	u32 rho2;     /* its square */
	u32 rho_3ls;  /* rho in 1/8 */
	u32 rho2_7ls; /* rho squared in 1/128 */
	u32 min_rtt;  /* smallest smoothed round trip, microseconds << 3 */
};

static __always_inline void measure_rho(struct hybla *ca, const struct tcp_sock *tp)
{
	u32 unit = rtt0 * 1000;
	u32 rho_3ls = max(unit ? tp->srtt_us / unit : 0, 8u);

	ca->rho_3ls = rho_3ls;
	ca->rho = rho_3ls >> 3;
	ca->rho2_7ls = (rho_3ls * rho_3ls) << 1;
	ca->rho2 = ca->rho2_7ls >> 7;
}

/* 128 * 2^(eighths/8) */
static __always_inline u32 power_of_two(u32 eighths)
{
	static const u32 fractions[] = { 128, 139, 152, 165, 181, 197, 215, 234 };

	return eighths < ARRAY_SIZE(fractions) ? fractions[eighths] : 128;
}

SEC("struct_ops/hybla_init")
void hybla_init(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct hybla *ca = ca_priv(sk);

	ca->cents = 0;
	ca->enabled = true;
	measure_rho(ca, tp);
	ca->min_rtt = tp->srtt_us;
	tp->snd_cwnd = ca->rho;
}

SEC("struct_ops/hybla_set_state")
void hybla_set_state(u64 *args)
{
	struct hybla *ca = ca_priv((struct sock *)args[0]);

	ca->enabled = (u8)args[1] == TCP_CA_Open;
}

SEC("struct_ops/hybla_cong_avoid")
void hybla_cong_avoid(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct hybla *ca = ca_priv(sk);
	u32 acked = args[2], increment, odd, cwnd, cents, count, add;
	bool starting;

	if (tp->srtt_us < ca->min_rtt) {
		measure_rho(ca, tp);
		ca->min_rtt = tp->srtt_us;
	}
	if (!cwnd_limited(tp))
		return;
	if (!ca->enabled) {
		reno_cong_avoid(tp, acked);
		return;
	}
	if (ca->rho == 0)
		measure_rho(ca, tp);
	cwnd = tp->snd_cwnd;
	count = tp->snd_cwnd_cnt;
	starting = in_slow_start(tp);
	if (starting) {
		/* 2^rho - 1 segments for each ACK, in 1/128 */
		increment = (1u << min(ca->rho, 16u)) * power_of_two(ca->rho_3ls - (ca->rho << 3)) - 128;
	} else {
		increment = cwnd ? ca->rho2_7ls / cwnd : 0;
		if (increment < 128)
			count++;
	}
	odd = increment % 128;
	cwnd += increment >> 7;
	cents = ca->cents + odd;
	add = cents / 128;
	if (add) {
		cwnd += add;
		cents -= add * 128;
		count = 0;
	}
	ca->cents = cents;
	if (increment == 0 && odd == 0 && count >= cwnd) {
		cwnd++;
		count = 0;
	}
	tp->snd_cwnd_cnt = count;
	if (starting)
		cwnd = min(cwnd, tp->snd_ssthresh);
	cwnd = min(cwnd, tp->snd_cwnd_clamp);
	tp->snd_cwnd = min(cwnd, CLAMP);
}

SEC("struct_ops/hybla_ssthresh")
u32 hybla_ssthresh(u64 *args)
{
	return reno_ssthresh(tcp_sk((struct sock *)args[0]));
}

SEC("struct_ops/hybla_undo_cwnd")
u32 hybla_undo_cwnd(u64 *args)
{
	return undo_to_prior(tcp_sk((struct sock *)args[0]));
}

TCP_DRIVER(hybla) = {
	.init = (void *)hybla_init,
	.cong_avoid = (void *)hybla_cong_avoid,
	.ssthresh = (void *)hybla_ssthresh,
	.undo_cwnd = (void *)hybla_undo_cwnd,
	.set_state = (void *)hybla_set_state,
	.name = "bpf_hybla",
};

LICENSE("Dual BSD/GPL");
