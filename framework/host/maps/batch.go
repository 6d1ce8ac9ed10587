// SPDX-License-Identifier: Apache-2.0

package maps

import "errors"

// Element is one element of a map, as user space reads it.
type Element struct{ Key, Value []byte }

// LookupBatch reads up to n elements that come after a key, the first ones when
// it is nil, and deletes them if asked. Fewer than n elements mean that there
// are no more. As with the kernel's batches, elements that come or go meanwhile
// may or may not be seen; a key that is gone when its turn comes begins anew.
func LookupBatch(m Map, after []byte, n int, del bool) ([]Element, error) {
	var out []Element
	key := after
	for len(out) < n {
		next := make([]byte, m.Spec().KeySize)
		if err := m.NextKey(key, next); errors.Is(err, ENOENT) {
			return out, nil
		} else if err != nil {
			return out, err
		}
		v := make([]byte, m.ValueLen())
		var err error
		if del {
			err = m.LookupAndDelete(next, v, 0)
		} else {
			err = m.Lookup(next, v, 0)
		}
		switch {
		case err == nil:
			out = append(out, Element{next, v})
		case !errors.Is(err, ENOENT):
			return out, err
		}
		if del {
			key = after // what was read is gone
		} else {
			key = next
		}
	}
	return out, nil
}

// UpdateBatch stores elements in order and answers how many were stored.
func UpdateBatch(m Map, all []Element, flags uint64) (int, error) {
	for i, e := range all {
		if err := m.Update(e.Key, e.Value, flags); err != nil {
			return i, err
		}
	}
	return len(all), nil
}

// DeleteBatch deletes keys in order and answers how many were deleted.
func DeleteBatch(m Map, keys [][]byte) (int, error) {
	for i, k := range keys {
		if err := m.Delete(k); err != nil {
			return i, err
		}
	}
	return len(keys), nil
}
