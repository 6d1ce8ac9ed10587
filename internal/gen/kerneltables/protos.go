// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/modbpf/modbpf/internal/gen/csrc"
)

// argKinds and retKinds give the Go constants for the kernel's names, with the
// flags that a composed name includes.
var argKinds = map[string][2]string{
	"ARG_DONTCARE":                  {"ArgNone"},
	"ARG_CONST_MAP_PTR":             {"ArgConstMapPtr"},
	"ARG_PTR_TO_MAP_KEY":            {"ArgMapKey"},
	"ARG_PTR_TO_MAP_VALUE":          {"ArgMapValue"},
	"ARG_PTR_TO_MEM":                {"ArgMem"},
	"ARG_PTR_TO_ARENA":              {"ArgArena"},
	"ARG_CONST_SIZE":                {"ArgConstSize"},
	"ARG_CONST_SIZE_OR_ZERO":        {"ArgConstSizeOrZero"},
	"ARG_MEM_SIZE":                  {"ArgConstSize"}, // its name from 7.3
	"ARG_MEM_SIZE_OR_ZERO":          {"ArgConstSizeOrZero"},
	"ARG_PTR_TO_CTX":                {"ArgCtx"},
	"ARG_ANYTHING":                  {"ArgAnything"},
	"ARG_SCALAR":                    {"ArgScalar"},
	"ARG_PTR_TO_SPIN_LOCK":          {"ArgSpinLock"},
	"ARG_PTR_TO_SOCK_COMMON":        {"ArgSockCommon"},
	"ARG_PTR_TO_SOCKET":             {"ArgSocket"},
	"ARG_PTR_TO_BTF_ID":             {"ArgBTFID"},
	"ARG_PTR_TO_RINGBUF_MEM":        {"ArgRingbufMem"},
	"ARG_CONST_ALLOC_SIZE_OR_ZERO":  {"ArgConstAllocSizeOrZero"},
	"ARG_PTR_TO_BTF_ID_SOCK_COMMON": {"ArgBTFIDSockCommon"},
	"ARG_PTR_TO_PERCPU_BTF_ID":      {"ArgPercpuBTFID"},
	"ARG_PTR_TO_FUNC":               {"ArgFunc"},
	"ARG_PTR_TO_STACK":              {"ArgStack"},
	"ARG_PTR_TO_CONST_STR":          {"ArgConstStr"},
	"ARG_PTR_TO_TIMER":              {"ArgTimer"},
	"ARG_KPTR_XCHG_DEST":            {"ArgKptrXchgDest"},
	"ARG_PTR_TO_DYNPTR":             {"ArgDynptr"},
	"ARG_PTR_TO_MAP_VALUE_OR_NULL":  {"ArgMapValue", "ArgMaybeNull"},
	"ARG_PTR_TO_MEM_OR_NULL":        {"ArgMem", "ArgMaybeNull"},
	"ARG_PTR_TO_CTX_OR_NULL":        {"ArgCtx", "ArgMaybeNull"},
	"ARG_PTR_TO_SOCKET_OR_NULL":     {"ArgSocket", "ArgMaybeNull"},
	"ARG_PTR_TO_STACK_OR_NULL":      {"ArgStack", "ArgMaybeNull"},
	"ARG_PTR_TO_BTF_ID_OR_NULL":     {"ArgBTFID", "ArgMaybeNull"},
	"ARG_PTR_TO_UNINIT_MEM":         {"ArgMem", "ArgUninit ArgWrite"},
	"ARG_PTR_TO_FIXED_SIZE_MEM":     {"ArgMem", "ArgFixedSize"},
}

var argFlags = map[string]string{
	"PTR_MAYBE_NULL":       "ArgMaybeNull",
	"MEM_RDONLY":           "ArgRdonly",
	"MEM_UNINIT":           "ArgUninit",
	"MEM_WRITE":            "ArgWrite",
	"MEM_ALIGNED":          "ArgAligned",
	"MEM_FIXED_SIZE":       "ArgFixedSize",
	"OBJ_RELEASE":          "ArgObjRelease",
	"DYNPTR_TYPE_LOCAL":    "ArgDynptrLocal",
	"DYNPTR_TYPE_RINGBUF":  "ArgDynptrRingbuf",
	"DYNPTR_TYPE_SKB":      "ArgDynptrSkb",
	"DYNPTR_TYPE_XDP":      "ArgDynptrXdp",
	"DYNPTR_TYPE_SKB_META": "ArgDynptrSkbMeta",
	"DYNPTR_TYPE_FILE":     "ArgDynptrFile",
}

var retKinds = map[string][2]string{
	"RET_INTEGER":                    {"RetInteger"},
	"RET_VOID":                       {"RetVoid"},
	"RET_PTR_TO_MAP_VALUE":           {"RetMapValue"},
	"RET_PTR_TO_SOCKET":              {"RetSocket"},
	"RET_PTR_TO_TCP_SOCK":            {"RetTCPSock"},
	"RET_PTR_TO_SOCK_COMMON":         {"RetSockCommon"},
	"RET_PTR_TO_MEM":                 {"RetMem"},
	"RET_PTR_TO_MEM_OR_BTF_ID":       {"RetMemOrBTFID"},
	"RET_PTR_TO_BTF_ID":              {"RetBTFID"},
	"RET_PTR_TO_MAP_VALUE_OR_NULL":   {"RetMapValue", "MayNull"},
	"RET_PTR_TO_SOCKET_OR_NULL":      {"RetSocket", "MayNull"},
	"RET_PTR_TO_TCP_SOCK_OR_NULL":    {"RetTCPSock", "MayNull"},
	"RET_PTR_TO_SOCK_COMMON_OR_NULL": {"RetSockCommon", "MayNull"},
	"RET_PTR_TO_RINGBUF_MEM_OR_NULL": {"RetMem", "MayNull Alloc"},
	"RET_PTR_TO_DYNPTR_MEM_OR_NULL":  {"RetDynptrMem", "MayNull"},
	"RET_PTR_TO_BTF_ID_OR_NULL":      {"RetBTFID", "MayNull"},
	"RET_PTR_TO_BTF_ID_TRUSTED":      {"RetBTFID", "Trusted"},
}

var retFlags = map[string]string{"PTR_MAYBE_NULL": "MayNull", "MEM_RDONLY": "Rdonly", "PTR_TRUSTED": "Trusted"}

// sizes of what prototypes take the size of.
var sizes = map[string]int{"u8": 1, "u16": 2, "u32": 4, "u64": 8, "s64": 8, "struct iphdr": 20, "struct ipv6hdr": 40, "struct tcphdr": 20}

var mapperRow = regexp.MustCompile(`\bFN\((\w+),\s*(\d+)`)

// helpers reads the helper enumeration.
func (x *extractor) helpers() error {
	f, err := x.file("include/uapi/linux/bpf.h")
	if err != nil {
		return err
	}
	for _, m := range mapperRow.FindAllStringSubmatch(f.Defines["___BPF_FUNC_MAPPER"].Body, -1) {
		id, err := strconv.Atoi(m[2])
		if err != nil {
			return fmt.Errorf("read helper id of %s: %w", m[1], err)
		}
		x.facts.Helpers = append(x.facts.Helpers, Helper{ID: id, Name: m[1]})
		x.helperID[m[1]] = id
	}
	if len(x.facts.Helpers) < 200 {
		return fmt.Errorf("read helper ids: found %d only", len(x.facts.Helpers))
	}
	return nil
}

// protos reads every struct bpf_func_proto.
func (x *extractor) protos() error {
	seen := map[string]bool{}
	for _, f := range x.files {
		names := make([]string, 0, len(f.Inits))
		for n, in := range f.Inits {
			if strings.HasSuffix(in.Type, "struct bpf_func_proto") {
				names = append(names, n)
			}
		}
		sort.Strings(names)
		for _, n := range names {
			if seen[n] {
				return fmt.Errorf("read prototype %s: defined twice, second in %s", n, f.Path)
			}
			seen[n] = true
			p, err := x.proto(f, f.Inits[n])
			if err != nil {
				return fmt.Errorf("read prototype %s in %s: %w", n, f.Path, err)
			}
			x.facts.Protos = append(x.facts.Protos, p)
		}
	}
	slices.SortFunc(x.facts.Protos, func(a, b Proto) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (x *extractor) proto(f *csrc.File, in csrc.Init) (Proto, error) {
	p := Proto{Name: in.Name, File: f.Path, Config: and(x.configOf(f.Path), in.Guard)}
	args := make([]Arg, 5)
	last := 0
	for k, v := range csrc.Fields(in.Body) {
		text := csrc.Join(v)
		if b := text == "true"; b || text == "false" {
			switch k {
			case "gpl_only":
				p.GPL = b
			case "pkt_access":
				p.Pkt = b
			case "might_sleep":
				p.Sleep = b
			case "allow_fastcall":
				p.Fastcall = b
			default:
				return p, fmt.Errorf("unknown field %s", k)
			}
			continue
		}
		switch k {
		case "func":
			p.Func = text
			continue
		case "allowed":
			p.Allowed = text
			continue
		case "ret_type":
			var err error
			if p.Ret, p.RetFlags, err = compose(text, retKinds, retFlags); err != nil {
				return p, err
			}
			continue
		case "ret_btf_id":
			p.RetBTF = x.btfName(f, text)
			continue
		}
		if len(k) < 6 || !strings.HasPrefix(k, "arg") || k[3] < '1' || k[3] > '5' {
			return p, fmt.Errorf("unknown field %s", k)
		}
		n := int(k[3] - '1')
		a := &args[n]
		switch k[5:] {
		case "type":
			var err error
			if a.Kind, a.Flags, err = compose(text, argKinds, argFlags); err != nil {
				return p, err
			}
			if a.Kind != "ArgNone" {
				last = max(last, n+1)
			}
		case "size":
			s, ok := sizes[strings.TrimSuffix(strings.TrimPrefix(text, "sizeof("), ")")]
			if !ok {
				return p, fmt.Errorf("unknown size %s", text)
			}
			a.Size = s
		case "btf_id":
			if a.BTF = x.btfName(f, text); a.BTF == "" && text != "BPF_PTR_POISON" {
				return p, fmt.Errorf("unknown BTF id %s", text)
			}
		default:
			return p, fmt.Errorf("unknown field %s", k)
		}
	}
	if p.Ret == "" {
		p.Ret = "RetInteger" // enum value 0
	}
	p.Args = args[:last]
	for i := range p.Args {
		if p.Args[i].Kind == "" {
			return p, fmt.Errorf("argument %d has no kind", i+1)
		}
	}
	return p, nil
}

func compose(text string, kinds map[string][2]string, flags map[string]string) (kind string, fl []string, err error) {
	for _, w := range strings.Split(text, "|") {
		w = strings.TrimSpace(w)
		if k, ok := kinds[w]; ok {
			kind = k[0]
			fl = append(fl, strings.Fields(k[1])...)
		} else if v, ok := flags[w]; ok {
			fl = append(fl, v)
		} else {
			return "", nil, fmt.Errorf("unknown type %s", w)
		}
	}
	slices.Sort(fl)
	return kind, slices.Compact(fl), nil
}

// btfName resolves "&list[index]" to the struct's name.
func (x *extractor) btfName(f *csrc.File, text string) string {
	text = strings.TrimPrefix(text, "&")
	if text == "tcp_sock_id" { // looked up by name at run time
		return "tcp_sock"
	}
	list, idx, ok := strings.Cut(strings.TrimSuffix(text, "]"), "[")
	if !ok {
		list, idx = text, "0"
	}
	if n, err := strconv.Atoi(idx); err == nil {
		l := x.idLists[f.Path+":"+list]
		if l == nil {
			l = x.idLists[list]
		}
		if n < len(l) {
			return l[n]
		}
		return ""
	}
	return x.idEnum[idx]
}
