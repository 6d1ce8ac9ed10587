// SPDX-License-Identifier: Apache-2.0

package structops

import "github.com/modbpf/modbpf/bpf"

// tcpContract: net/ipv4/bpf_tcp_ca.c and tcp_validate_congestion_control in
// net/ipv4/tcp_cong.c. No slot is checked for sleeping, so the kernel loads
// sleepable programs for all of them although none is called where it may sleep.
func tcpContract(t *Table, rel bpf.Release) {
	t.Helpers = "bpf_tcp_ca_get_func_proto"
	t.ExtraHelpers = []string{"tcp_send_ack", "sk_storage_get", "sk_storage_delete", "setsockopt", "getsockopt", "ktime_get_coarse_ns"}
	t.Doc = "a TCP congestion control, chosen for a socket by name"
	t.OneOf = [][]string{{"cong_avoid", "cong_control"}}
	t.Promote = [][2]string{{"sock", "tcp_sock"}}
	lock := []string{"sock.sk_lock"}
	t.apply([]slotFacts{
		{"ssthresh", Required, ContextSoftirq, lock, nil, "", "the slow start threshold after a loss"},
		{"cong_avoid", Optional, ContextSoftirq, lock, nil, "", "the new congestion window after acknowledgements"},
		{"set_state", Optional, ContextSoftirq, lock, nil, "", "before the state of congestion changes"},
		{"cwnd_event", Optional, ContextSoftirq, lock, nil, "", "something happened to the window"},
		{"cwnd_event_tx_start", Optional, ContextSoftirq, lock, nil, "", "sending begins after a pause"},
		{"in_ack_event", Optional, ContextSoftirq, lock, nil, "", "an acknowledgement arrived"},
		{"pkts_acked", Optional, ContextSoftirq, lock, nil, "", "packets were acknowledged, with a sample of the round trip"},
		{"min_tso_segs", Optional, ContextSoftirq, lock, nil, "", "the least number of segments to send at once"},
		{"cong_control", Optional, ContextSoftirq, lock, nil, "", "window and rate after acknowledgements, in place of cong_avoid"},
		{"undo_cwnd", Required, ContextSoftirq, lock, nil, "", "the window to go back to when a loss was none"},
		{"sndbuf_expand", Optional, ContextSoftirq, lock, nil, "", "the factor of the send buffer"},
		{"init", Optional, ContextSoftirq, lock, nil, "", "a socket begins to use it"},
		{"release", Optional, ContextSoftirq, lock, nil, "", "a socket ends using it; get- and setsockopt are not to be had here"},
	})
	t.Writable = atStart(writable("tcp_sock",
		"inet_conn.icsk_inet.sk.sk_pacing_rate", "inet_conn.icsk_inet.sk.sk_pacing_status", "inet_conn.icsk_ack.pending",
		"snd_cwnd", "snd_cwnd_cnt", "snd_cwnd_stamp", "snd_ssthresh", "ecn_flags", "app_limited"))
	t.Writable = append(t.Writable, Field{Struct: "tcp_sock", Member: "inet_conn.icsk_ca_priv"})
	flags := uint64(3)
	if rel.AtLeast(v618) {
		flags = 31
	}
	t.Init = []FieldRule{
		{Member: "name", Name: true, Doc: "at most 15 bytes"},
		{Member: "flags", Mask: flags, Doc: "TCP_CONG_NON_RESTRICTED (1), TCP_CONG_NEEDS_ECN (2) and others"},
	}
}
