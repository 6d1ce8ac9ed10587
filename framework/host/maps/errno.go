// SPDX-License-Identifier: Apache-2.0

package maps

import "fmt"

// Errno is an error number of the kernel (include/uapi/asm-generic/errno.h),
// the same on every system this runs on.
type Errno int32

// Error numbers that maps and helpers answer.
const (
	EPERM     Errno = 1
	ENOENT    Errno = 2
	EINTR     Errno = 4
	E2BIG     Errno = 7
	EBADF     Errno = 9
	EAGAIN    Errno = 11
	ENOMEM    Errno = 12
	EACCES    Errno = 13
	EFAULT    Errno = 14
	EBUSY     Errno = 16
	EEXIST    Errno = 17
	EINVAL    Errno = 22
	ENOSPC    Errno = 28
	ERANGE    Errno = 34
	EDEADLK   Errno = 35
	ENODATA   Errno = 61
	EPROTO    Errno = 71
	EOPNOTSUP Errno = 95
	ETIMEDOUT Errno = 110
	EALREADY  Errno = 114
	ENOTSUPP  Errno = 524
)

var errnoNames = map[Errno]string{
	EPERM: "EPERM", ENOENT: "ENOENT", EINTR: "EINTR", E2BIG: "E2BIG", EBADF: "EBADF", EAGAIN: "EAGAIN", ENOMEM: "ENOMEM",
	EACCES: "EACCES", EFAULT: "EFAULT", EBUSY: "EBUSY", EEXIST: "EEXIST", EINVAL: "EINVAL", ENOSPC: "ENOSPC", ERANGE: "ERANGE",
	EDEADLK: "EDEADLK", ENODATA: "ENODATA", EPROTO: "EPROTO", EOPNOTSUP: "EOPNOTSUPP", ETIMEDOUT: "ETIMEDOUT", ENOTSUPP: "ENOTSUPP", EALREADY: "EALREADY",
}

func (e Errno) Error() string {
	if n, ok := errnoNames[e]; ok {
		return n
	}
	return fmt.Sprintf("errno %d", int32(e))
}

// R0 is the error as a program sees it in R0.
func (e Errno) R0() uint64 { return uint64(-int64(e)) }

// OpError is a failed operation on a map.
type OpError struct {
	Op, Map string
	Err     Errno
}

func (e *OpError) Error() string { return e.Op + " map " + e.Map + ": " + e.Err.Error() }
func (e *OpError) Unwrap() error { return e.Err }
