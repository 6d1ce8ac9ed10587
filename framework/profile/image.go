// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/framework/profile/xz"
)

// unpackBzImage takes the ELF kernel out of an x86 boot image. The setup header
// says where the packed kernel lies (Documentation/arch/x86/boot.rst); its first
// bytes say how it is packed, and its last four the unpacked size.
func unpackBzImage(b []byte) ([]byte, error) {
	if len(b) < 0x260 {
		return nil, fmt.Errorf("boot image: truncated: %w", ErrFormat)
	}
	setup := uint64(b[0x1f1])
	if setup == 0 {
		setup = 4
	}
	off := (setup+1)*512 + uint64(binary.LittleEndian.Uint32(b[0x248:]))
	size := uint64(binary.LittleEndian.Uint32(b[0x24c:]))
	if size < 16 || off+size > uint64(len(b)) {
		return nil, fmt.Errorf("boot image: packed kernel lies outside the file: %w", ErrFormat)
	}
	p := b[off : off+size-4]
	switch {
	case bytes.HasPrefix(p, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return inflate(".zst", p)
	case bytes.HasPrefix(p, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		out, err := xz.Decode(p)
		if err != nil {
			return nil, errors.Join(ErrFormat, err)
		}
		return out, nil
	case bytes.HasPrefix(p, []byte{0x1f, 0x8b}):
		return inflate(".gz", p)
	case bytes.HasPrefix(p, []byte("BZh")):
		return readBounded(bzip2.NewReader(bytes.NewReader(p)))
	case bytes.HasPrefix(p, []byte{0x02, 0x21, 0x4c, 0x18}):
		return unpackLZ4(p[4:])
	case bytes.HasPrefix(p, []byte("\x7fELF")):
		return p, nil
	case bytes.HasPrefix(p, []byte{0x5d, 0, 0}):
		return nil, fmt.Errorf("boot image: packed with lzma: %w (zstd, xz, gzip, bzip2, lz4 are read)", ErrUnsupported)
	case bytes.HasPrefix(p, []byte{0x89, 'L', 'Z', 'O'}):
		return nil, fmt.Errorf("boot image: packed with lzo: %w (zstd, xz, gzip, bzip2, lz4 are read)", ErrUnsupported)
	}
	return nil, fmt.Errorf("boot image: packed kernel begins with % x: %w", p[:6], ErrUnsupported)
}

// unpackLZ4 reads LZ4's legacy frame, which kernels use: blocks of at most 8 MiB
// unpacked, each with its packed size before it (lz4_Frame_format.md).
func unpackLZ4(p []byte) ([]byte, error) {
	const blockMax = 8 << 20
	var out []byte
	for len(p) > 4 {
		n := binary.LittleEndian.Uint32(p)
		if uint64(n) > uint64(len(p)-4) {
			return nil, fmt.Errorf("lz4 block: truncated: %w", ErrFormat)
		}
		var err error
		if out, err = lz4Block(out, p[4:4+n], blockMax); err != nil {
			return nil, err
		}
		if p = p[4+n:]; len(out) > maxSection {
			return nil, fmt.Errorf("lz4: unpacks to more than %d bytes: %w", maxSection, ErrFormat)
		}
	}
	return out, nil
}

// lz4Block appends one unpacked block (lz4_Block_format.md): runs of literals,
// each followed by a copy of what lies a distance back.
func lz4Block(out, p []byte, limit int) ([]byte, error) {
	bad := fmt.Errorf("lz4 block: %w", ErrFormat)
	start := len(out)
	length := func(n int) (int, bool) {
		for n >= 15 {
			if len(p) == 0 {
				return 0, false
			}
			b := p[0]
			p = p[1:]
			n += int(b)
			if n > limit {
				return 0, false
			}
			if b != 255 {
				break
			}
		}
		return n, true
	}
	for len(p) > 0 {
		token := p[0]
		p = p[1:]
		lit, ok := length(int(token >> 4))
		if !ok || lit > len(p) || len(out)-start+lit > limit {
			return nil, bad
		}
		out = append(out, p[:lit]...)
		if p = p[lit:]; len(p) == 0 {
			return out, nil // the last run has no copy
		}
		if len(p) < 2 {
			return nil, bad
		}
		dist := int(binary.LittleEndian.Uint16(p))
		p = p[2:]
		n, ok := length(int(token & 15))
		n += 4
		if !ok || dist == 0 || dist > len(out)-start || len(out)-start+n > limit {
			return nil, bad
		}
		for ; n > 0; n-- {
			out = append(out, out[len(out)-dist])
		}
	}
	return out, nil
}
