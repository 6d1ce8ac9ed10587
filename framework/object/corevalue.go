// SPDX-License-Identifier: Apache-2.0

package object

import (
	"errors"
	"fmt"

	"github.com/modbpf/modbpf/btf"
)

// errPoison asks for the instruction to be poisoned.
var errPoison = errors.New("poison")

// calcPatch computes what the instruction has and what it is to get; target is
// nil when the kernel has no match.
func calcPatch(kind coreKind, local, target *coreSpec) (*corePatch, error) {
	p := &corePatch{validate: true}
	var err error
	switch {
	case kind.field():
		p.orig, p.origSz, p.origType, p.validate, err = fieldValue(kind, local)
		if err == nil {
			p.val, p.newSz, p.newTyp, _, err = fieldValue(kind, target)
		}
		if err == nil && p.origSz != p.newSz {
			p.badSize = !resizable(local.spec, p.origType, target.spec, p.newTyp)
		}
	case kind.typed():
		p.orig, p.validate, err = typeValue(kind, local)
		if err == nil {
			p.val, _, err = typeValue(kind, target)
		}
	default:
		if p.orig, err = enumValue(kind, local); err == nil {
			p.val, err = enumValue(kind, target)
		}
	}
	if errors.Is(err, errPoison) {
		p.poison, err = true, nil
	}
	return p, err
}

// resizable says whether a load may follow a field that changed its size:
// pointers and unsigned integers can, the rest of the register is zero.
func resizable(l *btf.Spec, lid btf.ID, k *btf.Spec, kid btf.ID) bool {
	lt, kt := l.Type(lid), k.Type(kid)
	if lt.Kind == btf.KindPtr && kt.Kind == btf.KindPtr {
		return true
	}
	signed := func(i btf.Int) bool { return i.Signed && !i.Char && !i.Bool }
	return lt.Kind == btf.KindInt && kt.Kind == btf.KindInt && !signed(l.Int(lid)) && !signed(k.Int(kid))
}

func fieldValue(kind coreKind, s *coreSpec) (val uint64, size uint32, typ btf.ID, validate bool, err error) {
	if kind == coreFieldExists {
		if s != nil {
			val = 1
		}
		return val, 0, 0, true, nil
	}
	if s == nil {
		return 0, 0, 0, true, errPoison
	}
	unknown := fmt.Errorf("size of the field is unknown: %w", ErrInvalid)
	last := s.steps[len(s.steps)-1]
	if last.name == "" { // array element
		sz, ok := s.spec.Sizeof(last.typ)
		switch {
		case kind == coreFieldOffset:
			if sz, ok = elemSize(s.spec, last.typ); !ok {
				return 0, 0, 0, true, unknown
			}
			return s.bitOff / 8, sz, last.typ, true, nil
		case kind == coreFieldSize && ok:
			return uint64(sz), 0, 0, true, nil
		}
		return 0, 0, 0, true, fmt.Errorf("%s of an array element: %w", kind, ErrInvalid)
	}
	mtyp, _, bits := s.spec.MemberAt(last.typ, last.idx)
	mtyp = s.spec.SkipMods(mtyp)
	bitSz, bitOff := uint64(bits), s.bitOff
	var byteSz, byteOff uint64
	bitfield := bitSz > 0
	sz, ok := s.spec.Sizeof(mtyp)
	if !ok {
		return 0, 0, 0, true, unknown
	}
	byteSz = uint64(sz)
	if bitfield {
		if byteSz == 0 || byteSz > 8 {
			return 0, 0, 0, true, unknown
		}
		byteOff = bitOff / 8 / byteSz * byteSz
		for bitOff+bitSz-byteOff*8 > byteSz*8 {
			if byteSz >= 8 {
				return 0, 0, 0, true, fmt.Errorf("bit field crosses a 64-bit word: %w", ErrInvalid)
			}
			byteSz *= 2
			byteOff = bitOff / 8 / byteSz * byteSz
		}
	} else {
		byteOff, bitSz = bitOff/8, byteSz*8
	}
	switch kind {
	case coreFieldOffset:
		if !bitfield {
			if size, ok = elemSize(s.spec, mtyp); !ok {
				return 0, 0, 0, true, unknown
			}
			typ = mtyp
		}
		return byteOff, size, typ, !bitfield, nil
	case coreFieldSize:
		return byteSz, 0, 0, !bitfield, nil
	case coreFieldSigned:
		t := s.spec.Type(mtyp)
		if isEnum(t.Kind) && t.KindFlag || t.Kind == btf.KindInt && s.spec.Int(mtyp).Signed {
			val = 1
		}
		return val, 0, 0, true, nil
	case coreFieldLShift:
		return 64 - (bitOff + bitSz - byteOff*8), 0, 0, !bitfield, nil
	}
	return 64 - bitSz, 0, 0, true, nil // coreFieldRShift
}

// elemSize is the size of a type, of its innermost element for arrays.
func elemSize(s *btf.Spec, id btf.ID) (uint32, bool) {
	id = s.SkipMods(id)
	for range 16 {
		if s.Kind(id) != btf.KindArray {
			break
		}
		id = s.SkipMods(s.Array(id).Elem)
	}
	return s.Sizeof(id)
}

func typeValue(kind coreKind, s *coreSpec) (val uint64, validate bool, err error) {
	if s == nil {
		return 0, true, nil
	}
	switch kind {
	case coreTypeTarget:
		return uint64(s.root), false, nil
	case coreTypeSize:
		sz, ok := s.spec.Sizeof(s.root)
		if !ok {
			return 0, true, fmt.Errorf("size of the type is unknown: %w", ErrInvalid)
		}
		return uint64(sz), true, nil
	}
	return 1, true, nil
}

func enumValue(kind coreKind, s *coreSpec) (uint64, error) {
	if kind == coreEnumExists {
		if s == nil {
			return 0, nil
		}
		return 1, nil
	}
	if s == nil {
		return 0, errPoison
	}
	return uint64(s.spec.Enumerator(s.steps[0].typ, s.steps[0].idx).Value), nil
}
