// SPDX-License-Identifier: Apache-2.0

// Package btf reads BPF Type Format blobs in place. Types are addressed by the
// numeric ids the kernel uses, nothing is copied out until asked for, and
// parsing a whole vmlinux costs one linear pass that only notes where each type
// begins. The verifier walks kernel structures through it on its hot path; the
// binder relocates against it.
//
// Format: Documentation/bpf/btf.rst of the kernel. Input is hostile: Parse
// checks every offset, id and length, so accessors cannot run out of bounds.
package btf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ID numbers a type within a Spec and its base; 0 is void.
type ID uint32

// Kind is the BTF_KIND_* number.
type Kind uint8

// Kinds of types.
const (
	KindVoid Kind = iota
	KindInt
	KindPtr
	KindArray
	KindStruct
	KindUnion
	KindEnum
	KindFwd
	KindTypedef
	KindVolatile
	KindConst
	KindRestrict
	KindFunc
	KindFuncProto
	KindVar
	KindDatasec
	KindFloat
	KindDeclTag
	KindTypeTag
	KindEnum64
	kindMax
)

var kindNames = [...]string{
	"void", "int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef",
	"volatile", "const", "restrict", "func", "func_proto", "var", "datasec", "float", "decl_tag", "type_tag", "enum64",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Errors that Parse wraps.
var (
	ErrNotBTF  = errors.New("not BTF")
	ErrInvalid = errors.New("invalid BTF")
)

const magic = 0xeB9F

// Spec is one parsed blob: vmlinux, a module (split, on top of a base) or an
// object's own. It is immutable after Parse and safe for concurrent use.
type Spec struct {
	base     *Spec
	types    []byte
	strs     []byte
	offs     []uint32 // offs[i]: where type first+i begins in types
	first    ID       // id of the first type of this blob: 1, or one past the base
	firstStr uint32   // offset of the first string of this blob

	tagOnce sync.Once
	declTag []ID // ids of decl tags of this blob, in order
	tags    map[ID][]ID

	indexOnce sync.Once
	indexed   atomic.Bool
	index     []uint32
	searchMu  sync.Mutex
	searched  map[string][]ID // names that were searched for before there was an index
	name      string
}

// Parse reads a whole .BTF blob (little-endian). The blob is kept, not copied.
func Parse(raw []byte) (*Spec, error) { return ParseSplit(raw, nil) }

// ParseSplit reads a blob whose ids and strings continue those of base.
func ParseSplit(raw []byte, base *Spec) (*Spec, error) {
	if len(raw) < 24 {
		return nil, fmt.Errorf("parse BTF header: %d bytes: %w", len(raw), ErrNotBTF)
	}
	if m := binary.LittleEndian.Uint16(raw); m != magic {
		if binary.BigEndian.Uint16(raw) == magic {
			return nil, fmt.Errorf("parse BTF header: big-endian: %w", ErrInvalid)
		}
		return nil, fmt.Errorf("parse BTF header: magic %#x: %w", m, ErrNotBTF)
	}
	u32 := func(o int) uint64 { return uint64(binary.LittleEndian.Uint32(raw[o:])) }
	hdr, typeOff, typeLen, strOff, strLen := u32(4), u32(8), u32(12), u32(16), u32(20)
	n := uint64(len(raw))
	if raw[2] != 1 || hdr < 24 || hdr+typeOff+typeLen > n || hdr+strOff+strLen > n {
		return nil, fmt.Errorf("parse BTF header: version %d, sections exceed %d bytes: %w", raw[2], n, ErrInvalid)
	}
	s := &Spec{base: base, first: 1, types: raw[hdr+typeOff:][:typeLen:typeLen], strs: raw[hdr+strOff:][:strLen:strLen]}
	if base != nil {
		s.first = ID(base.NumTypes())
		s.firstStr = base.firstStr + uint32(len(base.strs))
	}
	if len(s.strs) == 0 && base == nil || len(s.strs) > 0 && s.strs[len(s.strs)-1] != 0 {
		return nil, fmt.Errorf("parse BTF strings: not terminated: %w", ErrInvalid)
	}
	if err := s.scan(); err != nil {
		return nil, err
	}
	return s, nil
}

// scan notes where each type begins and checks that its parts are inside.
func (s *Spec) scan() error {
	s.offs = make([]uint32, 0, len(s.types)/28+1)
	for o := 0; o < len(s.types); {
		if len(s.types)-o < 12 {
			return fmt.Errorf("parse BTF type %d: truncated: %w", s.first+ID(len(s.offs)), ErrInvalid)
		}
		info := s.u32(o + 4)
		k, vlen := Kind(info>>24&0x1f), int(info&0xffff)
		if k == KindVoid || k >= kindMax {
			return fmt.Errorf("parse BTF type %d: unknown kind %d: %w", s.first+ID(len(s.offs)), k, ErrInvalid)
		}
		size := 12 + extra(k, vlen)
		if len(s.types)-o < size {
			return fmt.Errorf("parse BTF type %d (%s): truncated: %w", s.first+ID(len(s.offs)), k, ErrInvalid)
		}
		if k == KindDeclTag {
			s.declTag = append(s.declTag, s.first+ID(len(s.offs)))
		}
		s.offs = append(s.offs, uint32(o))
		o += size
	}
	return s.checkRefs()
}

// extra is the number of bytes that follow the 12-byte head of a type.
func extra(k Kind, vlen int) int {
	switch k {
	case KindInt, KindVar, KindDeclTag:
		return 4
	case KindArray:
		return 12
	case KindStruct, KindUnion, KindDatasec, KindEnum64:
		return 12 * vlen
	case KindEnum, KindFuncProto:
		return 8 * vlen
	}
	return 0
}

// checkRefs verifies that every type id and string offset exists.
func (s *Spec) checkRefs() error {
	nt := uint32(s.NumTypes())
	ns := s.firstStr + uint32(len(s.strs))
	for i, off := range s.offs {
		o := int(off)
		info := s.u32(o + 4)
		k, vlen := Kind(info>>24&0x1f), int(info&0xffff)
		bad := s.u32(o) >= ns && s.u32(o) != 0
		switch k {
		case KindPtr, KindTypedef, KindVolatile, KindConst, KindRestrict, KindFunc, KindFuncProto, KindVar, KindDeclTag, KindTypeTag:
			bad = bad || s.u32(o+8) >= nt
		case KindArray:
			bad = bad || s.u32(o+12) >= nt || s.u32(o+16) >= nt
		}
		switch k {
		case KindStruct, KindUnion:
			for m := o + 12; m < o+12+12*vlen; m += 12 {
				bad = bad || s.u32(m) >= ns && s.u32(m) != 0 || s.u32(m+4) >= nt
			}
		case KindFuncProto:
			for m := o + 12; m < o+12+8*vlen; m += 8 {
				bad = bad || s.u32(m) >= ns && s.u32(m) != 0 || s.u32(m+4) >= nt
			}
		case KindEnum:
			for m := o + 12; m < o+12+8*vlen; m += 8 {
				bad = bad || s.u32(m) >= ns && s.u32(m) != 0
			}
		case KindEnum64:
			for m := o + 12; m < o+12+12*vlen; m += 12 {
				bad = bad || s.u32(m) >= ns && s.u32(m) != 0
			}
		case KindDatasec:
			for m := o + 12; m < o+12+12*vlen; m += 12 {
				bad = bad || s.u32(m) >= nt
			}
		}
		if bad {
			return fmt.Errorf("parse BTF type %d (%s): refers to a type or string that does not exist: %w", s.first+ID(i), k, ErrInvalid)
		}
	}
	return nil
}

func (s *Spec) u32(o int) uint32 { return binary.LittleEndian.Uint32(s.types[o:]) }

// NumTypes is one more than the largest id.
func (s *Spec) NumTypes() int { return int(s.first) + len(s.offs) }

// FirstID is the first id that this blob itself defines.
func (s *Spec) FirstID() ID { return s.first }

// Base is the blob a split blob continues, nil for a whole one.
func (s *Spec) Base() *Spec { return s.base }

// ModuleName is what SetName was told: "vmlinux", a module's name, or "".
func (s *Spec) ModuleName() string { return s.name }

// SetName names the blob for messages; to be called before it is shared.
func (s *Spec) SetName(n string) *Spec { s.name = n; return s }

// at finds the blob and offset of a type; void and ids out of range have none.
func (s *Spec) at(id ID) (*Spec, int, bool) {
	for s.base != nil && id < s.first {
		s = s.base
	}
	i := int(id) - int(s.first)
	if id == 0 || i < 0 || i >= len(s.offs) {
		return nil, 0, false
	}
	return s, int(s.offs[i]), true
}

// str reads the string at an offset of the combined string section.
func (s *Spec) str(off uint32) string {
	for s.base != nil && off < s.firstStr {
		s = s.base
	}
	off -= s.firstStr
	if uint64(off) >= uint64(len(s.strs)) {
		return ""
	}
	b := s.strs[off:]
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return ""
}

// StringAt reads the string at an offset, as .BTF.ext refers to names, files and lines.
func (s *Spec) StringAt(off uint32) string { return s.str(off) }
