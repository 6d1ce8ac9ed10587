// SPDX-License-Identifier: Apache-2.0

package verifier

// acquireRef records a reference acquired at the current instruction and
// returns its id.
func (e *env) acquireRef() uint32 {
	id := e.newID()
	e.cur.Refs = append(e.cur.Refs, Ref{Kind: refPtr, ID: id, Insn: int32(e.insn)})
	e.cur.AcquiredRefs++
	return id
}

// findRef reports whether a reference id is held.
func (s *State) findRef(id uint32) bool {
	for i := range s.Refs {
		if s.Refs[i].Kind == refPtr && s.Refs[i].ID == id {
			return true
		}
	}
	return false
}

// releaseRef gives a reference up: every register bound to it becomes invalid.
func (e *env) releaseRef(id uint32) *Diagnostic { return e.notBuilt("release of a reference") }

// checkRefLeak judges that nothing is held where it must not be: at exits
// (exception says that the exit is a throw), tail calls, LD_ABS. what names it.
func (e *env) checkRefLeak(exception, checkLocks bool, what string) *Diagnostic {
	if len(e.cur.Refs) > 0 {
		return e.notBuilt("references at %s", what)
	}
	return nil
}
