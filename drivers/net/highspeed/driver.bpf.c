// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * HighSpeed TCP (RFC 3649): the larger the window, the more segments it grows by
 * each round trip and the less it shrinks on loss. The kernel's module also caps
 * snd_cwnd_clamp at 2^25, a field that drivers may not write; windows that large
 * do not occur.
 */
#include <modbpf/tcp.h>

struct highspeed {
	u32 row; /* of the table: the window's increase, less one */
};

/* RFC 3649, appendix B: up to this window, decrease by md/256. */
static const struct {
	u32 cwnd, md;
} rows[] = {
	{ 38, 128 }, { 118, 112 }, { 221, 104 }, { 347, 98 }, { 495, 93 }, { 663, 89 },
	{ 851, 86 }, { 1058, 83 }, { 1284, 81 }, { 1529, 78 }, { 1793, 76 }, { 2076, 74 },
	{ 2378, 72 }, { 2699, 71 }, { 3039, 69 }, { 3399, 68 }, { 3778, 66 }, { 4177, 65 },
	{ 4596, 64 }, { 5036, 62 }, { 5497, 61 }, { 5979, 60 }, { 6483, 59 }, { 7009, 58 },
	{ 7558, 57 }, { 8130, 56 }, { 8726, 55 }, { 9346, 54 }, { 9991, 53 }, { 10661, 52 },
	{ 11358, 52 }, { 12082, 51 }, { 12834, 50 }, { 13614, 49 }, { 14424, 48 }, { 15265, 48 },
	{ 16137, 47 }, { 17042, 46 }, { 17981, 45 }, { 18955, 45 }, { 19965, 44 }, { 21013, 43 },
	{ 22101, 43 }, { 23230, 42 }, { 24402, 41 }, { 25618, 41 }, { 26881, 40 }, { 28193, 39 },
	{ 29557, 39 }, { 30975, 38 }, { 32450, 38 }, { 33986, 37 }, { 35586, 36 }, { 37253, 36 },
	{ 38992, 35 }, { 40808, 35 }, { 42707, 34 }, { 44694, 33 }, { 46776, 33 }, { 48961, 32 },
	{ 51258, 32 }, { 53677, 31 }, { 56230, 30 }, { 58932, 30 }, { 61799, 29 }, { 64851, 28 },
	{ 68113, 28 }, { 71617, 27 }, { 75401, 26 }, { 79517, 26 }, { 84035, 25 }, { 89053, 24 },
};
#define LAST (ARRAY_SIZE(rows) - 1)

/* The first row that covers a window, by halving: 2^7 is more than the rows. */
static __always_inline u32 row_of(u32 cwnd)
{
	u32 row = 0;

	for (u32 step = 64; step; step >>= 1)
		if (row + step <= LAST && cwnd > rows[row + step - 1].cwnd)
			row += step;
	return row;
}

SEC("struct_ops/highspeed_init")
void highspeed_init(u64 *args)
{
	struct highspeed *ca = ca_priv((struct sock *)args[0]);

	ca->row = 0;
}

SEC("struct_ops/highspeed_cong_avoid")
void highspeed_cong_avoid(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct highspeed *ca = ca_priv(sk);
	u32 acked = args[2], cwnd, row;

	if (!cwnd_limited(tp))
		return;
	if (in_slow_start(tp)) {
		slow_start(tp, acked);
		return;
	}
	cwnd = tp->snd_cwnd;
	row = row_of(cwnd);
	ca->row = row;
	if (cwnd < tp->snd_cwnd_clamp) {
		u32 count = tp->snd_cwnd_cnt + row + 1;

		if (count >= cwnd) {
			count -= cwnd;
			tp->snd_cwnd = cwnd + 1;
		}
		tp->snd_cwnd_cnt = count;
	}
}

SEC("struct_ops/highspeed_ssthresh")
u32 highspeed_ssthresh(u64 *args)
{
	struct sock *sk = (struct sock *)args[0];
	struct tcp_sock *tp = tcp_sk(sk);
	struct highspeed *ca = ca_priv(sk);
	u32 cwnd = tp->snd_cwnd;

	return max(cwnd - ((cwnd * rows[min(ca->row, LAST)].md) >> 8), 2u);
}

SEC("struct_ops/highspeed_undo_cwnd")
u32 highspeed_undo_cwnd(u64 *args)
{
	return undo_to_prior(tcp_sk((struct sock *)args[0]));
}

TCP_DRIVER(highspeed) = {
	.init = (void *)highspeed_init,
	.cong_avoid = (void *)highspeed_cong_avoid,
	.ssthresh = (void *)highspeed_ssthresh,
	.undo_cwnd = (void *)highspeed_undo_cwnd,
	.name = "bpf_highspeed",
};

LICENSE("Dual BSD/GPL");
