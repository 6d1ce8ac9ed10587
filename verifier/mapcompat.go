// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/bpf"

// mapHelpers lists, for map types that only some helpers work on, those helpers.
var mapHelpers = map[bpf.MapType][]int32{
	bpf.MapProgArray:           {fnTailCall},
	bpf.MapPerfEventArray:      {fnPerfEventRead, fnPerfEventOutput, fnSkbOutput, fnPerfEventReadValue, fnXDPOutput},
	bpf.MapRingbuf:             {fnRingbufOutput, fnRingbufReserve, fnRingbufQuery, fnRbReserveDynptr, fnRbSubmitDynptr, fnRbDiscardDynptr},
	bpf.MapUserRingbuf:         {fnUserRingbufDrain},
	bpf.MapStackTrace:          {fnGetStackID},
	bpf.MapCgroupArray:         {fnSkbUnderCgroup, fnCurTaskUnderCgroup},
	bpf.MapCgroupStorage:       {fnGetLocalStorage},
	bpf.MapPercpuCgroupStorage: {fnGetLocalStorage},
	bpf.MapDevmap:              {fnRedirectMap, fnMapLookup},
	bpf.MapDevmapHash:          {fnRedirectMap, fnMapLookup},
	bpf.MapCpumap:              {fnRedirectMap},
	bpf.MapXskmap:              {fnRedirectMap, fnMapLookup},
	bpf.MapArrayOfMaps:         {fnMapLookup},
	bpf.MapHashOfMaps:          {fnMapLookup},
	bpf.MapSockmap:             {fnSkRedirectMap, fnSockMapUpdate, fnMsgRedirectMap, fnSkSelectReuseport, fnMapLookup},
	bpf.MapSockhash:            {fnSkRedirectHash, fnSockHashUpdate, fnMsgRedirectHash, fnSkSelectReuseport, fnMapLookup},
	bpf.MapReuseportSockarray:  {fnSkSelectReuseport},
	bpf.MapQueue:               {fnMapPeek, fnMapPop, fnMapPush},
	bpf.MapStack:               {fnMapPeek, fnMapPop, fnMapPush},
	bpf.MapSKStorage:           {fnSkStorageGet, fnSkStorageDelete, fnKptrXchg},
	bpf.MapInodeStorage:        {fnInodeStorageGet, fnInodeStorageDelete, fnKptrXchg},
	bpf.MapTaskStorage:         {fnTaskStorageGet, fnTaskStorageDelete, fnKptrXchg},
	bpf.MapCgrpStorage:         {fnCgrpStorageGet, fnCgrpStorageDelete, fnKptrXchg},
	bpf.MapBloomFilter:         {fnMapPeek, fnMapPush},
	bpf.MapInsnArray:           {},
}

// helperMaps lists, for helpers that work on only some map types, those types.
var helperMaps = map[int32][]bpf.MapType{
	fnTailCall:           {bpf.MapProgArray},
	fnPerfEventRead:      {bpf.MapPerfEventArray},
	fnPerfEventOutput:    {bpf.MapPerfEventArray},
	fnPerfEventReadValue: {bpf.MapPerfEventArray},
	fnSkbOutput:          {bpf.MapPerfEventArray},
	fnXDPOutput:          {bpf.MapPerfEventArray},
	fnRingbufOutput:      {bpf.MapRingbuf},
	fnRingbufReserve:     {bpf.MapRingbuf},
	fnRingbufQuery:       {bpf.MapRingbuf},
	fnRbReserveDynptr:    {bpf.MapRingbuf},
	fnRbSubmitDynptr:     {bpf.MapRingbuf},
	fnRbDiscardDynptr:    {bpf.MapRingbuf},
	fnUserRingbufDrain:   {bpf.MapUserRingbuf},
	fnGetStackID:         {bpf.MapStackTrace},
	fnCurTaskUnderCgroup: {bpf.MapCgroupArray},
	fnSkbUnderCgroup:     {bpf.MapCgroupArray},
	fnRedirectMap:        {bpf.MapDevmap, bpf.MapDevmapHash, bpf.MapCpumap, bpf.MapXskmap},
	fnSkRedirectMap:      {bpf.MapSockmap},
	fnMsgRedirectMap:     {bpf.MapSockmap},
	fnSockMapUpdate:      {bpf.MapSockmap},
	fnSkRedirectHash:     {bpf.MapSockhash},
	fnMsgRedirectHash:    {bpf.MapSockhash},
	fnSockHashUpdate:     {bpf.MapSockhash},
	fnGetLocalStorage:    {bpf.MapCgroupStorage, bpf.MapPercpuCgroupStorage},
	fnSkSelectReuseport:  {bpf.MapReuseportSockarray, bpf.MapSockmap, bpf.MapSockhash},
	fnMapPop:             {bpf.MapQueue, bpf.MapStack},
	fnMapPeek:            {bpf.MapQueue, bpf.MapStack, bpf.MapBloomFilter},
	fnMapPush:            {bpf.MapQueue, bpf.MapStack, bpf.MapBloomFilter},
	fnMapLookupPercpu:    {bpf.MapPercpuArray, bpf.MapPercpuHash, bpf.MapLRUPercpuHash},
	fnSkStorageGet:       {bpf.MapSKStorage},
	fnSkStorageDelete:    {bpf.MapSKStorage},
	fnInodeStorageGet:    {bpf.MapInodeStorage},
	fnInodeStorageDelete: {bpf.MapInodeStorage},
	fnTaskStorageGet:     {bpf.MapTaskStorage},
	fnTaskStorageDelete:  {bpf.MapTaskStorage},
	fnCgrpStorageGet:     {bpf.MapCgrpStorage},
	fnCgrpStorageDelete:  {bpf.MapCgrpStorage},
}

func among[T comparable](list []T, x T) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

// checkMapHelper judges that a helper works on the map it is given.
func (e *env) checkMapHelper(ref mapRef, id int32) *Diagnostic {
	if ref == 0 {
		return nil
	}
	m := e.maps[ref]
	if list, ok := mapHelpers[m.Type]; ok && !among(list, id) {
		if m.Type == bpf.MapSockmap || m.Type == bpf.MapSockhash {
			if e.mayUpdateSockmap(id) {
				return e.checkHelperMap(m, id)
			}
			if id == fnMapUpdate || id == fnMapDelete {
				return e.errf(CodeSockmapUpdate, "programs of this type do not change sockmaps")
			}
		}
		return e.errMapHelper(m, id)
	}
	return e.checkHelperMap(m, id)
}

func (e *env) checkHelperMap(m *Map, id int32) *Diagnostic {
	if list, ok := helperMaps[id]; ok && !among(list, m.Type) {
		return e.errMapHelper(m, id)
	}
	return nil
}

func (e *env) errMapHelper(m *Map, id int32) *Diagnostic {
	return e.errf(CodeMapFunc, "bpf_%s does not work on map %s of type %s", e.k.HelperName(id), m.Name, m.Type)
}

// mayUpdateSockmap reports whether this program may update or delete from a sockmap.
func (e *env) mayUpdateSockmap(id int32) bool {
	if id != fnMapUpdate && id != fnMapDelete {
		return false
	}
	switch e.progType() {
	case bpf.ProgTracing:
		return e.attachType() == bpf.AttachTraceIter
	case bpf.ProgSockOps:
		return id == fnMapDelete
	case bpf.ProgSocketFilter, bpf.ProgSchedCls, bpf.ProgSchedAct, bpf.ProgXDP, bpf.ProgSKReuseport,
		bpf.ProgFlowDissector, bpf.ProgSKLookup:
		return true
	}
	return false
}
