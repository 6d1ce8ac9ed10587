// SPDX-License-Identifier: Apache-2.0

package verifier

// Helper ids the rules name (include/uapi/linux/bpf.h).
const (
	fnMapLookup          = 1
	fnMapUpdate          = 2
	fnMapDelete          = 3
	fnProbeRead          = 4
	fnGetSMPProcessorID  = 8
	fnSkbStoreBytes      = 9
	fnL3CsumReplace      = 10
	fnL4CsumReplace      = 11
	fnTailCall           = 12
	fnCloneRedirect      = 13
	fnSkbVlanPush        = 18
	fnSkbVlanPop         = 19
	fnPerfEventRead      = 22
	fnPerfEventOutput    = 25
	fnGetStackID         = 27
	fnSkbChangeProto     = 31
	fnSkbUnderCgroup     = 33
	fnCurTaskUnderCgroup = 37
	fnSkbChangeTail      = 38
	fnSkbPullData        = 39
	fnSkbChangeHead      = 43
	fnXDPAdjustHead      = 44
	fnProbeReadStr       = 45
	fnSkbAdjustRoom      = 50
	fnRedirectMap        = 51
	fnSkRedirectMap      = 52
	fnSockMapUpdate      = 53
	fnXDPAdjustMeta      = 54
	fnPerfEventReadValue = 55
	fnMsgRedirectMap     = 60
	fnMsgPullData        = 63
	fnXDPAdjustTail      = 65
	fnGetStack           = 67
	fnSockHashUpdate     = 70
	fnMsgRedirectHash    = 71
	fnSkRedirectHash     = 72
	fnLwtPushEncap       = 73
	fnLwtSeg6StoreBytes  = 74
	fnLwtSeg6AdjustSrh   = 75
	fnLwtSeg6Action      = 76
	fnGetLocalStorage    = 81
	fnSkSelectReuseport  = 82
	fnSkLookupTCP        = 84
	fnSkLookupUDP        = 85
	fnSkRelease          = 86
	fnMapPush            = 87
	fnMapPop             = 88
	fnMapPeek            = 89
	fnMsgPushData        = 90
	fnMsgPopData         = 91
	fnSpinLock           = 93
	fnSpinUnlock         = 94
	fnSkFullsock         = 95
	fnTCPSock            = 96
	fnSkcLookupTCP       = 99
	fnSkStorageGet       = 107
	fnSkStorageDelete    = 108
	fnSkbOutput          = 111
	fnProbeReadUserStr   = 114
	fnProbeReadKernStr   = 115
	fnXDPOutput          = 121
	fnRingbufOutput      = 130
	fnRingbufReserve     = 131
	fnRingbufQuery       = 134
	fnSkcToTCP6          = 136
	fnSkcToTCP           = 137
	fnSkcToTCPTimewait   = 138
	fnSkcToTCPRequest    = 139
	fnSkcToUDP6          = 140
	fnGetTaskStack       = 141
	fnStoreHdrOpt        = 143
	fnInodeStorageGet    = 145
	fnInodeStorageDelete = 146
	fnPerCPUPtr          = 153
	fnThisCPUPtr         = 154
	fnTaskStorageGet     = 156
	fnTaskStorageDelete  = 157
	fnForEachMapElem     = 164
	fnSnprintf           = 165
	fnTimerSetCallback   = 170
	fnGetFuncIP          = 173
	fnFindVMA            = 180
	fnLoop               = 181
	fnSetRetval          = 187
	fnKptrXchg           = 194
	fnMapLookupPercpu    = 195
	fnSkcToMptcp         = 196
	fnDynptrFromMem      = 197
	fnRbReserveDynptr    = 198
	fnRbSubmitDynptr     = 199
	fnRbDiscardDynptr    = 200
	fnDynptrRead         = 201
	fnDynptrWrite        = 202
	fnDynptrData         = 203
	fnUserRingbufDrain   = 209
	fnCgrpStorageGet     = 210
	fnCgrpStorageDelete  = 211
)

// syncCallbackHelper reports helpers that call back before they return.
func syncCallbackHelper(id int32) bool {
	switch id {
	case fnForEachMapElem, fnFindVMA, fnLoop, fnUserRingbufDrain:
		return true
	}
	return false
}

// asyncCallbackHelper reports helpers that register a callback.
func asyncCallbackHelper(id int32) bool { return id == fnTimerSetCallback }

// changesPacket reports helpers that may move the packet.
func changesPacket(id int32) bool {
	switch id {
	case fnCloneRedirect, fnL3CsumReplace, fnL4CsumReplace, fnLwtPushEncap, fnLwtSeg6Action, fnLwtSeg6AdjustSrh,
		fnLwtSeg6StoreBytes, fnMsgPopData, fnMsgPullData, fnMsgPushData, fnSkbAdjustRoom, fnSkbChangeHead,
		fnSkbChangeProto, fnSkbChangeTail, fnSkbPullData, fnSkbStoreBytes, fnSkbVlanPop, fnSkbVlanPush,
		fnStoreHdrOpt, fnXDPAdjustHead, fnXDPAdjustMeta, fnXDPAdjustTail, fnTailCall:
		return true
	}
	return false
}

// castsPointer reports helpers that give back their argument as another type:
// the result is bound to the same reference.
func castsPointer(id int32) bool {
	switch id {
	case fnTCPSock, fnSkFullsock, fnSkcToTCP, fnSkcToTCP6, fnSkcToUDP6, fnSkcToMptcp, fnSkcToTCPTimewait, fnSkcToTCPRequest:
		return true
	}
	return false
}
