// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"os"

	"golang.org/x/sys/unix"
)

// readBTF reads a kernel's types. From 6.16 on the file can be mapped, which
// costs nothing; reading it takes a system call a page. The mapping stays for
// as long as the process: specs are shared and never end.
func readBTF(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && st.Size() > 0 && st.Size() < 1<<30 {
		if b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE); err == nil {
			return b, nil
		}
	}
	return os.ReadFile(path)
}
