// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// Features the interpreter asks for. A row in the table below says which
// releases have each.
const (
	FeatFrames16             Feature = iota // 16 call frames instead of 8
	FeatLiveRegs                            // pruning ignores registers that static liveness says are dead
	FeatSccLoops                            // loop convergence by strongly connected components
	FeatLockRefs                            // locks are references
	FeatIrqFlags                            // bpf_local_irq_save and restore
	FeatResLock                             // bpf_res_spin_lock
	FeatLoadAcquire                         // load-acquire and store-release
	FeatGlobalSleep                         // global subprograms may sleep if the caller may
	FeatRawTPNull                           // raw tracepoint arguments may be null
	FeatUnaligned32SpillZero                // 32-bit zero spills
	FeatPrivStack                           // private stacks
	FeatUntrustedArg                        // __arg_untrusted of global functions
	FeatRdonlyUntrustedMem                  // rdonly_untrusted_mem
	FeatScalarFork                          // arsh/and of a sign forks the path
	FeatTrustedArgs                         // every kfunc pointer argument is trusted
	FeatRangeBoth                           // jumps are decided on signed and unsigned ranges together
	FeatIndirectJump                        // gotox through INSN_ARRAY maps
	FeatParentRefs                          // references know their parents; a release checks its first argument first
	FeatRBWalk                              // bpf_rbtree_root, left, right; owned nodes may be passed to remove
	FeatRCUNest                             // RCU read sections nest
	FeatRCURegions                          // disabled preemption and interrupts protect RCU pointers too
	FeatSpinSafeFlag                        // kfuncs allowed under a lock are flagged
	FeatRCUProtectedRet                     // RCU-protected kfuncs return RCU pointers
	FeatTrustedRet                          // kfuncs return trusted pointers
	FeatPercpuKptrExact                     // per-CPU kptr fields take per-CPU objects only
	FeatVoidGlobal                          // global functions may return nothing
	FeatDivMod                              // division and remainder by constants keep ranges
	FeatProbe                               // a branch whose outcome contradicts itself is dead
	FeatNegRange                            // negation keeps ranges; sums that wrap on every value too
	FeatMulSigned                           // multiplication tracks signed ranges
	FeatSameReg                             // a register compared with itself decides the branch
	FeatElideNull                           // array look-ups by a constant key in range are not null
	FeatSwapBits                            // byte swaps keep known bits
	FeatLooseStack                          // inside loops stack bytes may be of another kind than in the kept state
	FeatStepBits                            // a range that meets the bits in one value is that value
	FeatTailReturns                         // a tail call in a function returns to its caller when it succeeds
	FeatLinkDelta                           // linked scalars differ by any 32-bit constant, in 32-bit sums too
	FeatLinkLive                            // only live registers are linked
	FeatMayGotoZero                         // may_goto may go nowhere
	FeatCommutedProbe                       // number + untrusted memory is untrusted memory, in either order
	FeatSleepableTail                       // sleepable programs may use program arrays
	FeatCircle                              // ranges are arcs of a circle
	FeatArenaTag                            // pointers of type arena in signatures of functions
	FeatTimerAny                            // tracing programs may use timers and workqueues
	FeatSetRetval                           // values given to bpf_set_retval are judged
	nFeatures
)

// FeatureInfo says where a feature holds.
type FeatureInfo struct {
	Feature Feature
	Name    string
	First   bpf.Release // zero: every release that we know
	Last    bpf.Release // zero: still there
	Commit  string      // subject of the kernel commit that brought it
}

var featureTable = [nFeatures]FeatureInfo{
	FeatDivMod:               {FeatDivMod, "div-mod", bpf.Release{Major: 7, Minor: 0}, bpf.Release{}, "bpf: Add range tracking for BPF_DIV and BPF_MOD"},
	FeatProbe:                {FeatProbe, "probe-branches", bpf.Release{Major: 7, Minor: 1}, bpf.Release{}, "bpf: Simulate branches to prune based on range violations"},
	FeatNegRange:             {FeatNegRange, "neg-range", bpf.Release{Major: 6, Minor: 17}, bpf.Release{}, "bpf: Add range tracking for BPF_NEG"},
	FeatMulSigned:            {FeatMulSigned, "mul-signed", bpf.Release{Major: 6, Minor: 14}, bpf.Release{}, "bpf: Refactor scalar_min_max_mul"},
	FeatSameReg:              {FeatSameReg, "same-register", bpf.Release{Major: 6, Minor: 19}, bpf.Release{}, "bpf: Improve is_branch_taken for the same register"},
	FeatElideNull:            {FeatElideNull, "elide-null", bpf.Release{Major: 6, Minor: 14}, bpf.Release{}, "bpf: verifier: Support eliding map lookup nullness"},
	FeatSwapBits:             {FeatSwapBits, "swap-bits", bpf.Release{Major: 6, Minor: 18}, bpf.Release{}, "bpf: Track byte swaps in tnums (seen in 6.18.44)"},
	FeatLooseStack:           {FeatLooseStack, "loose-stack", bpf.Release{Major: 7, Minor: 0}, bpf.Release{}, "stacksafe compares kinds of bytes for EXACT only (read in 7.2; 6.18 walks as if not)"},
	FeatStepBits:             {FeatStepBits, "step-bits", bpf.Release{Major: 6, Minor: 18}, bpf.Release{}, "bpf: Improve bounds when tnum has a single possible value (seen in 6.18.44)"},
	FeatTailReturns:          {FeatTailReturns, "tail-returns", bpf.Release{Major: 6, Minor: 18}, bpf.Release{}, "bpf: Account for tail calls in subprograms (seen in 6.18.44)"},
	FeatLinkDelta:            {FeatLinkDelta, "link-delta", bpf.Release{Major: 6, Minor: 18}, bpf.Release{}, "bpf: Support negative offsets, BPF_SUB, and alu32 for linked register tracking (seen in 6.18.44)"},
	FeatLinkLive:             {FeatLinkLive, "link-live", bpf.Release{Major: 7, Minor: 0}, bpf.Release{}, "bpf: collect only live registers in linked regs"},
	FeatMayGotoZero:          {FeatMayGotoZero, "may-goto-zero", bpf.Release{Major: 6, Minor: 15}, bpf.Release{}, "bpf: Allow may_goto with offset 0"},
	FeatCommutedProbe:        {FeatCommutedProbe, "commuted-probe", bpf.Release{Major: 7, Minor: 0}, bpf.Release{}, "adjust_ptr_min_max_vals copies the pointer first (read in 7.2; 6.18 does not)"},
	FeatSleepableTail:        {FeatSleepableTail, "sleepable-tail-call", bpf.Release{Major: 7, Minor: 0}, bpf.Release{}, "read in 7.2; refused by 6.18"},
	FeatFrames16:             {FeatFrames16, "call-frames-16", bpf.Release{Major: 7, Minor: 2}, bpf.Release{}, "MAX_CALL_FRAMES 16 (read in 7.2; 8 in 6.12)"},
	FeatLiveRegs:             {FeatLiveRegs, "live-registers", bpf.Release{Major: 6, Minor: 15}, bpf.Release{}, "bpf: use register liveness information for func_states_equal"},
	FeatSccLoops:             {FeatSccLoops, "scc-loops", bpf.Release{Major: 6, Minor: 17}, bpf.Release{}, "bpf: propagate read/precision marks over state graph backedges"},
	FeatLockRefs:             {FeatLockRefs, "lock-refs", bpf.Release{Major: 6, Minor: 14}, bpf.Release{}, "bpf: Refactor active lock management"},
	FeatIrqFlags:             {FeatIrqFlags, "irq-flags", bpf.Release{Major: 6, Minor: 14}, bpf.Release{}, "bpf: Introduce support for bpf_local_irq_{save,restore}"},
	FeatResLock:              {FeatResLock, "res-spin-lock", bpf.Release{Major: 6, Minor: 15}, bpf.Release{}, "bpf: Introduce rqspinlock kfuncs"},
	FeatLoadAcquire:          {FeatLoadAcquire, "load-acquire", bpf.Release{Major: 6, Minor: 15}, bpf.Release{}, "bpf: Introduce load-acquire and store-release instructions"},
	FeatGlobalSleep:          {FeatGlobalSleep, "global-might-sleep", bpf.Release{Major: 6, Minor: 15}, bpf.Release{}, "bpf: Summarize sleepable global subprogs"},
	FeatRawTPNull:            {FeatRawTPNull, "raw-tp-null", bpf.Release{Major: 6, Minor: 13}, bpf.Release{}, "bpf: Augment raw_tp arguments with PTR_MAYBE_NULL"},
	FeatUnaligned32SpillZero: {FeatUnaligned32SpillZero, "zero-spill", bpf.Release{Major: 6, Minor: 8}, bpf.Release{}, "bpf: preserve constant zero when doing partial register restore"},
	FeatPrivStack:            {FeatPrivStack, "private-stack", bpf.Release{Major: 6, Minor: 13}, bpf.Release{}, "bpf: Support private stack for bpf progs"},
	FeatUntrustedArg:         {FeatUntrustedArg, "arg-untrusted", bpf.Release{Major: 6, Minor: 17}, bpf.Release{}, "bpf: support for void/primitive __arg_untrusted global func params"},
	FeatRdonlyUntrustedMem:   {FeatRdonlyUntrustedMem, "rdonly-untrusted-mem", bpf.Release{Major: 6, Minor: 17}, bpf.Release{}, "bpf: attribute __arg_untrusted for global function parameters"},
	FeatScalarFork:           {FeatScalarFork, "scalar-fork", bpf.Release{Major: 6, Minor: 12}, bpf.Release{}, "bpf: Recognize special arithmetic shift in the verifier (7.0, backported to stable series)"},
	FeatTrustedArgs:          {FeatTrustedArgs, "trusted-args", bpf.Release{Major: 7, Minor: 0}, bpf.Release{}, "bpf: Make KF_TRUSTED_ARGS the default for all kfuncs"},
	FeatRangeBoth:            {FeatRangeBoth, "range-both", bpf.Release{Major: 6, Minor: 18}, bpf.Release{}, "bpf: verifier: improve is_scalar_branch_taken with tnum overlap"},
	FeatIndirectJump:         {FeatIndirectJump, "indirect-jump", bpf.Release{Major: 6, Minor: 19}, bpf.Release{}, "bpf, x86: add support for indirect jumps"},
	FeatParentRefs:           {FeatParentRefs, "parent-refs", bpf.Release{Major: 7, Minor: 2}, bpf.Release{}, "release_regno is always R1 (read in 7.2)"},
	FeatRBWalk:               {FeatRBWalk, "rbtree-walk", bpf.Release{Major: 6, Minor: 16}, bpf.Release{}, "bpf: Add bpf_rbtree_{root,left,right} kfunc"},
	FeatRCUNest:              {FeatRCUNest, "rcu-nest", bpf.Release{Major: 6, Minor: 19}, bpf.Release{}, "bpf: Support nested rcu critical sections"},
	FeatRCURegions:           {FeatRCURegions, "rcu-regions", bpf.Release{Major: 7, Minor: 3}, bpf.Release{}, "in_rcu_cs asks for preemption and interrupts (read in 7.3)"},
	FeatSpinSafeFlag:         {FeatSpinSafeFlag, "spinlock-safe", bpf.Release{Major: 7, Minor: 3}, bpf.Release{}, "KF_SPINLOCK_SAFE (read in 7.3)"},
	FeatRCUProtectedRet:      {FeatRCUProtectedRet, "rcu-protected-ret", bpf.Release{Major: 6, Minor: 18}, bpf.Release{}, "bpf: Enforce RCU protection for KF_RCU_PROTECTED"},
	FeatTrustedRet:           {FeatTrustedRet, "trusted-ret", bpf.Release{Major: 7, Minor: 0}, bpf.Release{}, "bpf: return PTR_TO_BTF_ID | PTR_TRUSTED from BPF kfuncs by default"},
	FeatPercpuKptrExact:      {FeatPercpuKptrExact, "percpu-kptr-exact", bpf.Release{Major: 7, Minor: 2}, bpf.Release{}, "map_kptr_match_type compares MEM_PERCPU (read in 7.2)"},
	FeatVoidGlobal:           {FeatVoidGlobal, "void-global", bpf.Release{Major: 7, Minor: 0}, bpf.Release{}, "read in 7.2, not in 6.12"},
	FeatCircle:               {FeatCircle, "circular-ranges", bpf.Release{Major: 7, Minor: 2}, bpf.Release{}, "cnum: circular numbers (read in 7.2)"},
	FeatArenaTag:             {FeatArenaTag, "arena-tag", bpf.Release{Major: 7, Minor: 2}, bpf.Release{}, "btf_scan_type_tags (read in 7.2)"},
	FeatTimerAny:             {FeatTimerAny, "timer-any", bpf.Release{Major: 7, Minor: 2}, bpf.Release{}, "check_map_prog_compatibility asks for neither timers nor workqueues (read in 7.2)"},
	FeatSetRetval:            {FeatSetRetval, "set-retval", bpf.Release{Major: 7, Minor: 2}, bpf.Release{}, "check_helper_call of bpf_set_retval (read in 7.2)"},
}

// Features lists the table.
func Features() []FeatureInfo { return featureTable[:] }

func (f Feature) String() string {
	if f < nFeatures {
		return featureTable[f].Name
	}
	return "unknown feature"
}

// HasFeature is what the table says of a release; profiles answer Kernel.Has with it.
func HasFeature(r bpf.Release, f Feature) bool {
	if f >= nFeatures {
		return false
	}
	i := featureTable[f]
	return r.AtLeast(i.First) && (i.Last.IsZero() || !i.Last.Less(r))
}
