// SPDX-License-Identifier: Apache-2.0

// Package xz unpacks .xz streams: Debian packages, kernel modules and kernel
// images come in them, and no allowed dependency reads them. LZMA2 with the x86
// branch filter is all that those use. Input is hostile: sizes are bounded,
// checks are verified, and the memory for the dictionary grows with what is
// really unpacked.
//
// Format: "The .xz File Format" 1.2.1, tukaani.org.
package xz

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
)

// ErrFormat says that the input is not a well-formed .xz stream.
var ErrFormat = errors.New("corrupt xz data")

// ErrUnsupported says that a stream uses a filter we do not have.
var ErrUnsupported = errors.New("unsupported xz filter")

// maxDict bounds the dictionary: xz -9 uses 64 MiB.
const maxDict = 256 << 20

const chunkMax = 2 << 20 // an LZMA2 chunk unpacks to at most this

var headerMagic = []byte{0xfd, '7', 'z', 'X', 'Z', 0}

// window is the dictionary and the output not yet taken: buf[read:end].
type window struct {
	buf              []byte
	start, read, end int    // the dictionary begins at start
	total            uint64 // bytes since the last dictionary reset
	dict             int
}

// room makes place for n more bytes, dropping what lies beyond the dictionary.
func (w *window) room(n int) {
	if w.end+n <= len(w.buf) {
		return
	}
	keep := min(w.dict, w.end-w.start)
	from := w.end - keep
	if need := keep + n; from < n+chunkMax && len(w.buf) < w.dict+2*chunkMax || need > len(w.buf) {
		b := make([]byte, max(need, min(2*len(w.buf), w.dict+4*chunkMax), 2*chunkMax))
		copy(b, w.buf[from:w.end])
		w.buf = b
	} else {
		copy(w.buf, w.buf[from:w.end])
	}
	w.start = 0
	w.read -= from
	w.end = keep
}

// Reader unpacks one or more concatenated streams.
type Reader struct {
	r       *bufio.Reader
	n       int64 // bytes read from r since the start of the stream
	err     error
	inBlock bool
	check   byte
	sum     hash.Hash
	bcj     *x86
	blockAt int64 // where the block's header began, for padding
	w       window
	l       lzma
	chunk   []byte
	needDic bool
	needPro bool
	streams int
	records []record // blocks of this stream, to be compared with its index
	packed  int64    // where the current block's data began
	size    uint64   // what it unpacked to
}

type record struct{ unpadded, size uint64 }

// NewReader checks nothing yet; errors come from Read.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 1<<16)} }

// Decode unpacks a whole stream held in memory.
func Decode(b []byte) ([]byte, error) { return io.ReadAll(NewReader(bytes.NewReader(b))) }

func (z *Reader) Read(b []byte) (int, error) {
	for z.avail() == 0 {
		if z.err != nil {
			if errors.Is(z.err, io.ErrUnexpectedEOF) {
				return 0, fmt.Errorf("%w: truncated", ErrFormat)
			}
			return 0, z.err
		}
		z.err = z.step()
	}
	n := min(len(b), z.avail())
	if z.bcj != nil {
		z.bcj.take(b[:n])
	} else {
		copy(b, z.w.buf[z.w.read:z.w.read+n])
		z.w.read += n
	}
	return n, nil
}

// avail is how many unpacked bytes wait to be read.
func (z *Reader) avail() int {
	if z.bcj != nil {
		return z.bcj.done
	}
	return z.w.end - z.w.read
}

// step reads the next part: a stream header, a block header or a chunk.
func (z *Reader) step() error {
	switch {
	case z.inBlock:
		return z.nextChunk()
	case z.check == noStream:
		return z.streamHeader()
	default:
		return z.blockHeader()
	}
}

// noStream is the zero value of check; the stream's own number is one less.
const noStream = 0

func (z *Reader) full(b []byte) error {
	n, err := io.ReadFull(z.r, b)
	z.n += int64(n)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (z *Reader) byte() (byte, error) {
	var b [1]byte
	err := z.full(b[:])
	return b[0], err
}

func (z *Reader) streamHeader() error {
	var h [12]byte
	for { // padding between streams: zeros, in fours
		n, err := io.ReadFull(z.r, h[:4])
		if n == 0 && errors.Is(err, io.EOF) && z.streams > 0 {
			return io.EOF
		}
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		if z.streams == 0 || [4]byte(h[:4]) != [4]byte{} {
			break
		}
	}
	z.n = 4
	if err := z.full(h[4:]); err != nil {
		return err
	}
	if !bytes.Equal(h[:6], headerMagic) {
		return fmt.Errorf("%w: no stream header", ErrFormat)
	}
	if crc32.ChecksumIEEE(h[6:8]) != binary.LittleEndian.Uint32(h[8:]) || h[6] != 0 || h[7] > 15 {
		return fmt.Errorf("%w: stream header", ErrFormat)
	}
	z.streams++
	z.check = h[7] + 1
	z.records = nil
	return nil
}

// checkSize is how many bytes each kind of check takes.
var checkSize = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

var crc64Table = crc64.MakeTable(crc64.ECMA)

func (z *Reader) blockHeader() error {
	z.blockAt = z.n
	first, err := z.byte()
	if err != nil {
		return err
	}
	if first == 0 {
		return z.index()
	}
	h := make([]byte, (int(first)+1)*4)
	h[0] = first
	if err := z.full(h[1:]); err != nil {
		return err
	}
	body := h[:len(h)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(h[len(body):]) || body[1]&0x3c != 0 {
		return fmt.Errorf("%w: block header", ErrFormat)
	}
	p := body[2:]
	uvarint := func() uint64 {
		v, n := binary.Uvarint(p)
		if n <= 0 {
			p, err = nil, fmt.Errorf("%w: block header", ErrFormat)
			return 0
		}
		p = p[n:]
		return v
	}
	for range int(body[1]>>6&1 + body[1]>>7) {
		uvarint() // packed and unpacked size: the index has them again
	}
	z.bcj = nil
	filters := int(body[1]&3) + 1
	for i := range filters {
		id, n := uvarint(), uvarint()
		if err != nil || n > uint64(len(p)) {
			return fmt.Errorf("%w: block header", ErrFormat)
		}
		props := p[:n]
		p = p[n:]
		switch {
		case id == 0x21 && i == filters-1 && n == 1 && props[0] <= 40:
			if err := z.setDict(props[0]); err != nil {
				return err
			}
		case id == 0x04 && i == 0 && filters == 2 && n == 0:
			z.bcj = &x86{}
		default:
			return fmt.Errorf("%w: filter %#x", ErrUnsupported, id)
		}
	}
	for _, c := range p {
		if c != 0 {
			return fmt.Errorf("%w: block header", ErrFormat)
		}
	}
	switch z.check - 1 {
	case 1:
		z.sum = crc32.NewIEEE()
	case 4:
		z.sum = crc64.New(crc64Table)
	case 10:
		z.sum = sha256.New()
	default:
		z.sum = nil // none, or one we cannot verify
	}
	z.inBlock, z.needDic, z.needPro = true, true, true
	z.packed, z.size = z.n, 0
	return nil
}

func (z *Reader) setDict(p byte) error {
	size := uint64(2|p&1) << (p/2 + 11)
	if p == 40 {
		size = 1<<32 - 1
	}
	if size > maxDict {
		return fmt.Errorf("%w: dictionary of %d bytes", ErrUnsupported, size)
	}
	z.w.dict = int(size)
	return nil
}

// nextChunk reads one LZMA2 chunk.
func (z *Reader) nextChunk() error {
	control, err := z.byte()
	if err != nil {
		return err
	}
	if control == 0 {
		return z.endBlock()
	}
	var h [5]byte
	if control < 0x80 { // stored
		if control > 2 || control == 2 && z.needDic {
			return fmt.Errorf("%w: chunk", ErrFormat)
		}
		if err := z.full(h[:2]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint16(h[:])) + 1
		if control == 1 {
			z.resetDict()
		}
		z.w.room(n)
		if err := z.full(z.w.buf[z.w.end:][:n]); err != nil {
			return err
		}
		z.w.end += n
		z.w.total += uint64(n)
		z.produced(n)
		return nil
	}
	if err := z.full(h[:4]); err != nil {
		return err
	}
	n := int(control&0x1f)<<16 + int(binary.BigEndian.Uint16(h[:])) + 1
	packed := int(binary.BigEndian.Uint16(h[2:])) + 1
	reset := control >> 5 & 3
	if reset == 3 {
		z.resetDict()
	}
	if z.needDic || z.needPro && reset < 2 {
		return fmt.Errorf("%w: chunk", ErrFormat)
	}
	if reset >= 2 {
		p, err := z.byte()
		if err != nil {
			return err
		}
		if !z.l.setProps(p) {
			return fmt.Errorf("%w: properties %#x", ErrFormat, p)
		}
		z.needPro = false
	}
	if reset >= 1 {
		z.l.reset()
	}
	if cap(z.chunk) < packed {
		z.chunk = make([]byte, 1<<16)
	}
	z.chunk = z.chunk[:packed]
	if err := z.full(z.chunk); err != nil {
		return err
	}
	z.w.room(n)
	var rc rangeCoder
	if !rc.init(z.chunk) || !z.l.decode(&rc, &z.w, n) {
		return fmt.Errorf("%w: chunk", ErrFormat)
	}
	z.produced(n)
	return nil
}

func (z *Reader) resetDict() {
	z.w.start, z.w.total = z.w.end, 0
	z.needDic = false
}

// produced takes account of the n newest bytes of the window.
func (z *Reader) produced(n int) {
	z.size += uint64(n)
	fresh := z.w.buf[z.w.end-n : z.w.end]
	if z.bcj != nil {
		z.bcj.feed(fresh)
		z.w.read = z.w.end
		fresh = z.bcj.fresh()
	}
	if z.sum != nil {
		z.sum.Write(fresh)
	}
}

func (z *Reader) endBlock() error {
	if z.bcj != nil {
		z.bcj.finish()
		if z.sum != nil {
			z.sum.Write(z.bcj.fresh())
		}
	}
	unpadded := z.n - z.blockAt
	for (z.n-z.blockAt)%4 != 0 {
		if b, err := z.byte(); err != nil || b != 0 {
			return fmt.Errorf("%w: block padding", ErrFormat)
		}
	}
	want := make([]byte, checkSize[z.check-1])
	if err := z.full(want); err != nil {
		return err
	}
	if z.sum != nil {
		got := z.sum.Sum(nil)
		if z.check-1 != 10 { // CRCs are stored little-endian
			for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
				got[i], got[j] = got[j], got[i]
			}
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%w: check differs", ErrFormat)
		}
	}
	z.inBlock = false
	z.records = append(z.records, record{uint64(unpadded) + uint64(len(want)), z.size})
	return nil
}

// index reads the list of blocks that ends a stream, and its footer.
func (z *Reader) index() error {
	bad := fmt.Errorf("%w: index", ErrFormat)
	raw := []byte{0}
	uvarint := func() (uint64, error) {
		var v uint64
		for i := range 9 {
			b, err := z.byte()
			if err != nil {
				return 0, err
			}
			raw = append(raw, b)
			v |= uint64(b&0x7f) << (7 * i)
			if b < 0x80 {
				return v, nil
			}
		}
		return 0, bad
	}
	n, err := uvarint()
	if err != nil {
		return err
	}
	if n != uint64(len(z.records)) {
		return bad
	}
	for _, r := range z.records {
		u, err := uvarint()
		if err != nil {
			return err
		}
		s, err := uvarint()
		if err != nil {
			return err
		}
		if u != r.unpadded || s != r.size {
			return bad
		}
	}
	for len(raw)%4 != 0 {
		b, err := z.byte()
		if err != nil {
			return err
		}
		raw = append(raw, b)
	}
	var f [16]byte // CRC of the index, then the footer
	if err := z.full(f[:]); err != nil {
		return err
	}
	if crc32.ChecksumIEEE(raw) != binary.LittleEndian.Uint32(f[:]) || crc32.ChecksumIEEE(f[8:14]) != binary.LittleEndian.Uint32(f[4:]) ||
		f[14] != 'Y' || f[15] != 'Z' || f[13]+1 != z.check {
		return bad
	}
	z.check = noStream
	return nil
}
