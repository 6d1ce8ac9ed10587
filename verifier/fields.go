// SPDX-License-Identifier: Apache-2.0

package verifier

// record lists the special fields (locks, timers, kptrs, list heads, ...) of a
// map value or allocated type.
type record struct{}

// mapRecord is the record of a map's value, nil if it has none.
func (e *env) mapRecord(m mapRef) *record { return nil }

// loadRecords reads the fields of every map before verification begins and
// judges them (two locks, lock and timer in forbidden maps, ...).
func (e *env) loadRecords() *Diagnostic { return nil }

// checkMapFields judges a direct access to bytes [off, off+size) (off is the
// least, max the greatest possible offset) of a map value with special fields.
// handled is true if the access was a kptr load or store that it completed.
func (e *env) checkMapFields(regno, off, max, size int, acc access, valueReg int) (handled bool, d *Diagnostic) {
	return false, nil
}

// checkMemFields judges memory [off, off+size) of a map value passed to a
// helper or kfunc as plain memory: it must not cover special fields.
func (e *env) checkMemFields(r *Reg, min, max int64) *Diagnostic { return nil }
