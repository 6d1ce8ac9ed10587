// SPDX-License-Identifier: Apache-2.0

package tcp

// ring is a queue that does not allocate once it is large enough.
type ring[T any] struct {
	buf  []T
	head int
	n    int
}

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		grown := make([]T, max(64, 2*len(r.buf)))
		for i := range r.n {
			grown[i] = r.buf[(r.head+i)%len(r.buf)]
		}
		r.buf, r.head = grown, 0
	}
	r.buf[(r.head+r.n)%len(r.buf)] = v
	r.n++
}

// front is the oldest element, nil if there is none.
func (r *ring[T]) front() *T {
	if r.n == 0 {
		return nil
	}
	return &r.buf[r.head]
}

func (r *ring[T]) pop() {
	r.head = (r.head + 1) % len(r.buf)
	r.n--
}
