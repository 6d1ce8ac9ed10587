// SPDX-License-Identifier: Apache-2.0

package structops

import "github.com/modbpf/modbpf/bpf"

// dummyContract: net/bpf/bpf_dummy_struct_ops.c, a table for tests that is run
// by BPF_PROG_TEST_RUN and never attached. Its programs call no helpers.
func dummyContract(t *Table, _ bpf.Release) {
	t.Doc = "a table for tests, run by BPF_PROG_TEST_RUN and never attached"
	t.NoLink = true
	t.apply([]slotFacts{
		{member: "test_1", ctx: ContextProcess, doc: "its argument may be null"},
		{member: "test_2", ctx: ContextProcess, doc: "five arguments of different sizes"},
		{member: "test_sleepable", ctx: ContextProcess, doc: "may sleep"},
	})
	t.Writable = writable("bpf_dummy_ops_state", "val")
}

// ioUringContract: io_uring/bpf-ops.c.
func ioUringContract(t *Table, _ bpf.Release) {
	t.Helpers = "bpf_base_func_proto"
	t.Doc = "runs an io_uring's loop in the kernel"
	t.apply([]slotFacts{
		{member: "loop_step", need: Required, ctx: ContextProcess, holds: []string{"io_ring_ctx.uring_lock"}, doc: "one turn: submits requests and says when to be called again"},
	})
	t.Writable = writable("iou_loop_params", "cq_wait_idx")
	t.Init = []FieldRule{{Member: "ring_fd", Min: 0, Max: 1<<31 - 1, Doc: "the ring's descriptor"}}
}

// smcContract: net/smc/smc_hs_bpf.c.
func smcContract(t *Table, _ bpf.Release) {
	t.Helpers = "bpf_smc_hs_func_proto"
	t.NoLink = true
	t.Doc = "decides whether a TCP connection offers SMC"
	t.apply([]slotFacts{
		{member: "syn_option", ctx: ContextSoftirq, holds: []string{"sock.sk_lock"}, doc: "whether a connection asked for offers it"},
		{member: "synack_option", ctx: ContextSoftirq, doc: "whether a connection answered accepts it"},
	})
	t.Init = []FieldRule{
		{Member: "name", Name: true, Doc: "at most 15 bytes"},
		{Member: "flags", Mask: 1, Doc: "SMC_HS_CTRL_FLAG_INHERITABLE"},
	}
}

// binfmtContract: fs/binfmt_misc_bpf.c.
func binfmtContract(t *Table, _ bpf.Release) {
	t.Helpers = "bpf_base_func_proto"
	t.Doc = "recognises a binary and says how to run it"
	t.apply([]slotFacts{
		{member: "match", need: Required, ctx: ContextProcess, doc: "whether this handler is for the binary"},
		{member: "load", need: Required, ctx: ContextProcess, doc: "chooses the interpreter"},
	})
	t.Init = []FieldRule{{Member: "name", Name: true}}
}
