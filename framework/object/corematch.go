// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"

	"github.com/modbpf/modbpf/btf"
)

// match reads the local accessor against a candidate; nil when the candidate
// does not have it.
func match(local *coreSpec, kind coreKind, c candidate) (*coreSpec, error) {
	t := &coreSpec{spec: c.spec, root: c.id}
	if kind.typed() {
		ok := false
		if kind == coreTypeMatches {
			ok = typesMatch(local.spec, local.root, c.spec, c.id, false, 32)
		} else {
			ok = typesCompatible(local.spec, local.root, c.spec, c.id)
		}
		if !ok {
			return nil, nil
		}
		return t, nil
	}
	id := c.id
	if kind.enum() {
		id = c.spec.SkipMods(id)
		if k := c.spec.Kind(id); k != btf.KindEnum && k != btf.KindEnum64 {
			return nil, nil
		}
		want := essentialName(local.steps[0].name)
		for i := range c.spec.Type(id).Vlen {
			if e := c.spec.Enumerator(id, i); essentialName(e.Name) == want {
				t.steps = []access{{typ: id, idx: i, name: e.Name}}
				return t, nil
			}
		}
		return nil, nil
	}
	for i, step := range local.steps {
		id = c.spec.SkipMods(id)
		if step.name != "" {
			next, ok, err := matchMember(local.spec, step, t, id, 0)
			if err != nil || !ok {
				return nil, err
			}
			id = next
			continue
		}
		if i > 0 {
			if c.spec.Kind(id) != btf.KindArray {
				return nil, nil
			}
			a := c.spec.Array(id)
			if uint32(step.idx) >= a.Len && !flexible(c.spec, t.steps[len(t.steps)-1], a) {
				return nil, nil
			}
			id = c.spec.SkipMods(a.Elem)
		}
		if t.raw++; t.raw > maxAccess {
			return nil, fmt.Errorf("accessor too deep in the kernel's type: %w", ErrInvalid)
		}
		t.steps = append(t.steps, access{typ: id, idx: step.idx})
		size, ok := c.spec.Sizeof(id)
		if !ok {
			return nil, fmt.Errorf("size of the kernel's type %d is unknown: %w", id, ErrInvalid)
		}
		t.bitOff += uint64(step.idx) * uint64(size) * 8
	}
	return t, nil
}

// matchMember finds the member a local step names, through anonymous structs
// and unions, and adds the step to t.
func matchMember(local *btf.Spec, step access, t *coreSpec, id btf.ID, depth int) (next btf.ID, ok bool, err error) {
	id = t.spec.SkipMods(id)
	typ := t.spec.Type(id)
	if typ.Kind != btf.KindStruct && typ.Kind != btf.KindUnion {
		return 0, false, nil
	}
	if t.raw+depth >= maxAccess {
		return 0, false, fmt.Errorf("accessor too deep in the kernel's type: %w", ErrInvalid)
	}
	lt, _, _ := local.MemberAt(step.typ, step.idx)
	for i := range typ.Vlen {
		m := t.spec.Member(id, i)
		if m.Name == "" {
			was := t.bitOff
			t.bitOff += uint64(m.BitOff)
			if next, ok, err = matchMember(local, step, t, m.Type, depth+1); ok || err != nil {
				return next, ok, err
			}
			t.bitOff = was
			continue
		}
		if m.Name != step.name {
			continue
		}
		if !fieldsCompatible(local, lt, t.spec, m.Type) {
			return 0, false, nil
		}
		t.bitOff += uint64(m.BitOff)
		t.raw += depth + 1
		t.steps = append(t.steps, access{typ: id, idx: i, name: m.Name})
		return m.Type, true, nil
	}
	return 0, false, nil
}

func isEnum(k btf.Kind) bool { return k == btf.KindEnum || k == btf.KindEnum64 }

func composite(k btf.Kind) bool { return k == btf.KindStruct || k == btf.KindUnion }

func kindsCompatible(a, b btf.Kind) bool { return a == b || isEnum(a) && isEnum(b) }

// fieldsCompatible: may a field of the local type stand for one of the
// kernel's? Sizes and signs of integers do not matter, any pointer is any other.
func fieldsCompatible(l *btf.Spec, lid btf.ID, k *btf.Spec, kid btf.ID) bool {
	for range 64 {
		lid, kid = l.SkipMods(lid), k.SkipMods(kid)
		lk, kk := l.Kind(lid), k.Kind(kid)
		if composite(lk) && composite(kk) {
			return true
		}
		if !kindsCompatible(lk, kk) {
			return false
		}
		switch lk {
		case btf.KindPtr, btf.KindFloat:
			return true
		case btf.KindFwd, btf.KindEnum, btf.KindEnum64:
			a, b := essentialName(l.Name(lid)), essentialName(k.Name(kid))
			return a == "" || b == "" || a == b
		case btf.KindInt:
			return l.Int(lid).Offset == 0 && k.Int(kid).Offset == 0
		case btf.KindArray:
			lid, kid = l.Array(lid).Elem, k.Array(kid).Elem
		default:
			return false
		}
	}
	return false
}

// typesCompatible: do two types have the same shape? Names were compared by
// the caller; members are not.
func typesCompatible(l *btf.Spec, lid btf.ID, k *btf.Spec, kid btf.ID) bool {
	return kindsCompatible(l.Kind(lid), k.Kind(kid)) && compatible(l, lid, k, kid, 32)
}

func compatible(l *btf.Spec, lid btf.ID, k *btf.Spec, kid btf.ID, level int) bool {
	if level <= 0 {
		return false
	}
	for range 32 {
		lid, kid = l.SkipMods(lid), k.SkipMods(kid)
		lt, kt := l.Type(lid), k.Type(kid)
		if !kindsCompatible(lt.Kind, kt.Kind) {
			return false
		}
		switch lt.Kind {
		case btf.KindVoid, btf.KindStruct, btf.KindUnion, btf.KindEnum, btf.KindEnum64, btf.KindFwd:
			return true
		case btf.KindInt:
			return l.Int(lid).Offset == 0 && k.Int(kid).Offset == 0
		case btf.KindPtr:
			lid, kid = lt.Ref, kt.Ref
		case btf.KindArray:
			lid, kid = l.Array(lid).Elem, k.Array(kid).Elem
		case btf.KindFuncProto:
			if lt.Vlen != kt.Vlen {
				return false
			}
			for i := range lt.Vlen {
				if !compatible(l, l.Param(lid, i).Type, k, k.Param(kid, i).Type, level-1) {
					return false
				}
			}
			lid, kid = lt.Ref, kt.Ref
		default:
			return false
		}
	}
	return false
}

func namesMatch(l, k string) bool {
	if k == "" {
		return l == ""
	}
	return essentialName(l) == essentialName(k)
}

// typesMatch is the stricter relation of bpf_core_type_matches: members,
// enumerators, signs and sizes of the local type must be found in the kernel's.
func typesMatch(l *btf.Spec, lid btf.ID, k *btf.Spec, kid btf.ID, ptr bool, level int) bool {
	if level <= 0 {
		return false
	}
	for range 32 {
		lid, kid = l.SkipMods(lid), k.SkipMods(kid)
		lt, kt := l.Type(lid), k.Type(kid)
		if !namesMatch(l.Name(lid), k.Name(kid)) {
			return false
		}
		switch lt.Kind {
		case btf.KindVoid:
			return kt.Kind == btf.KindVoid
		case btf.KindFwd:
			if lt.Kind == kt.Kind {
				return lt.KindFlag == kt.KindFlag
			}
			return ptr && (kt.Kind == btf.KindStruct && !lt.KindFlag || kt.Kind == btf.KindUnion && lt.KindFlag)
		case btf.KindEnum, btf.KindEnum64:
			return isEnum(kt.Kind) && enumsMatch(l, lt, k, kt)
		case btf.KindStruct, btf.KindUnion:
			if !ptr {
				return lt.Kind == kt.Kind && membersMatch(l, lt, k, kt, level)
			}
			return lt.Kind == kt.Kind || kt.Kind == btf.KindFwd && (lt.Kind == btf.KindUnion) == kt.KindFlag
		case btf.KindInt:
			return lt.Kind == kt.Kind && lt.Size == kt.Size && l.Int(lid).Signed == k.Int(kid).Signed
		case btf.KindPtr:
			if lt.Kind != kt.Kind {
				return false
			}
			ptr, lid, kid = true, lt.Ref, kt.Ref
		case btf.KindArray:
			la, ka := l.Array(lid), k.Array(kid)
			if lt.Kind != kt.Kind || la.Len != ka.Len {
				return false
			}
			lid, kid = la.Elem, ka.Elem
		case btf.KindFuncProto:
			if lt.Kind != kt.Kind || lt.Vlen != kt.Vlen {
				return false
			}
			for i := range lt.Vlen {
				if !typesMatch(l, l.Param(lid, i).Type, k, k.Param(kid, i).Type, ptr, level-1) {
					return false
				}
			}
			lid, kid = lt.Ref, kt.Ref
		default:
			return false
		}
	}
	return false
}

func enumsMatch(l *btf.Spec, lt btf.Type, k *btf.Spec, kt btf.Type) bool {
	if lt.Size != kt.Size || lt.Vlen > kt.Vlen {
		return false
	}
	has := make(map[string]bool, kt.Vlen)
	for i := range kt.Vlen {
		has[essentialName(k.Enumerator(kt.ID, i).Name)] = true
	}
	for i := range lt.Vlen {
		if !has[essentialName(l.Enumerator(lt.ID, i).Name)] {
			return false
		}
	}
	return true
}

func membersMatch(l *btf.Spec, lt btf.Type, k *btf.Spec, kt btf.Type, level int) bool {
	if lt.Vlen > kt.Vlen {
		return false
	}
	for i := range lt.Vlen {
		lm, found := l.Member(lt.ID, i), false
		for j := 0; j < kt.Vlen && !found; j++ {
			km := k.Member(kt.ID, j)
			found = namesMatch(lm.Name, km.Name) && typesMatch(l, lm.Type, k, km.Type, false, level-1)
		}
		if !found {
			return false
		}
	}
	return true
}
