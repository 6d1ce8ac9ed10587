// SPDX-License-Identifier: Apache-2.0

package verifier

import "strings"

// RegType says what a register or spilled slot holds: a base kind in the low
// byte and flag bits above it, as the kernel's enum bpf_reg_type has them.
type RegType uint32

// Base kinds.
const (
	notInit RegType = iota
	scalarValue
	ptrToCtx
	constPtrToMap
	ptrToMapValue
	ptrToMapKey
	ptrToStack
	ptrToPacketMeta
	ptrToPacket
	ptrToPacketEnd
	ptrToFlowKeys
	ptrToSocket
	ptrToSockCommon
	ptrToTCPSock
	ptrToTPBuffer
	ptrToXDPSock
	ptrToBTFID
	ptrToMem
	ptrToArena
	ptrToBuf
	ptrToFunc
	constPtrToDynptr
	ptrToInsn
	nBaseTypes

	baseMask RegType = 0xff
)

// Flag bits.
const (
	maybeNull RegType = 1 << (8 + iota)
	memRdonly
	memRingbuf // memory reserved in a ring buffer
	memUser
	memPercpu
	objRelease
	ptrUntrusted
	memUninit
	dynptrLocal
	dynptrRingbuf
	memFixedSize
	memAlloc // allocated by bpf_obj_new and friends
	ptrTrusted
	memRCU
	nonOwnRef
	dynptrSkb
	dynptrXDP
	memAligned
	memWrite
	dynptrSkbMeta
	dynptrFile

	flagMask       = ^baseMask
	dynptrFlagMask = dynptrLocal | dynptrRingbuf | dynptrSkb | dynptrXDP | dynptrSkbMeta | dynptrFile
	trustedFlags   = ptrTrusted | memRCU | memAlloc | nonOwnRef
)

func (t RegType) base() RegType      { return t & baseMask }
func (t RegType) flags() RegType     { return t & flagMask }
func (t RegType) has(f RegType) bool { return t&f != 0 }
func (t RegType) maybeNull() bool    { return t&maybeNull != 0 }
func (t RegType) isPacket() bool     { b := t.base(); return b == ptrToPacket || b == ptrToPacketMeta }
func (t RegType) isPacketAny() bool  { return t.isPacket() || t.base() == ptrToPacketEnd }
func (t RegType) isRdonlyMem() bool  { return t&memRdonly != 0 }
func (t RegType) isAllocBTF() bool   { return t.base() == ptrToBTFID && t&memAlloc != 0 }

// isSock reports the socket kinds that are not described by BTF.
func (t RegType) isSock() bool {
	switch t.base() {
	case ptrToSocket, ptrToSockCommon, ptrToTCPSock, ptrToXDPSock:
		return true
	}
	return false
}

var baseNames = [nBaseTypes]string{
	notInit: "?", scalarValue: "scalar", ptrToCtx: "ctx", constPtrToMap: "map_ptr",
	ptrToMapValue: "map_value", ptrToMapKey: "map_key", ptrToStack: "fp",
	ptrToPacketMeta: "pkt_meta", ptrToPacket: "pkt", ptrToPacketEnd: "pkt_end",
	ptrToFlowKeys: "flow_keys", ptrToSocket: "sock", ptrToSockCommon: "sock_common",
	ptrToTCPSock: "tcp_sock", ptrToTPBuffer: "tp_buffer", ptrToXDPSock: "xdp_sock",
	ptrToBTFID: "ptr_", ptrToMem: "mem", ptrToArena: "arena", ptrToBuf: "buf",
	ptrToFunc: "func", constPtrToDynptr: "dynptr_ptr", ptrToInsn: "insn",
}

// String names the kind as the kernel's log does, so that logs can be compared.
func (t RegType) String() string {
	if t.base() >= nBaseTypes {
		return "invalid"
	}
	var b strings.Builder
	for _, p := range [...]struct {
		f RegType
		s string
	}{
		{memRdonly, "rdonly_"},
		{memRingbuf, "ringbuf_"},
		{memUser, "user_"},
		{memPercpu, "percpu_"},
		{memRCU, "rcu_"},
		{ptrUntrusted, "untrusted_"},
		{ptrTrusted, "trusted_"},
	} {
		if t&p.f != 0 {
			b.WriteString(p.s)
		}
	}
	b.WriteString(baseNames[t.base()])
	if t&maybeNull != 0 {
		if t.base() == ptrToBTFID {
			b.WriteString("or_null_")
		} else {
			b.WriteString("_or_null")
		}
	}
	return b.String()
}
