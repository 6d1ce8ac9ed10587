// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/modbpf/modbpf/bpf"
	"github.com/modbpf/modbpf/framework/exitcode"
	"github.com/modbpf/modbpf/framework/kernel/sys"
)

// Contents reads the programs and maps of the generation in force.
func (t *Target) Contents(in *Insertion) ([]ProgramState, []MapState, error) {
	progs, maps := []ProgramState{}, []MapState{}
	if in.gen == 0 {
		return progs, maps, nil
	}
	dir := genDir(in.dir, in.gen)
	ents, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, explain("read "+dir, err, capsNone)
	}
	for _, e := range ents {
		kind, name, _ := strings.Cut(unescape(e.Name()), "-")
		if kind != "prog" && kind != "map" {
			continue
		}
		fd, err := sys.ObjGet(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, nil, explain("read "+dir, err, []capability{capBPF})
		}
		if kind == "prog" {
			var i *sys.ProgInfo
			if i, err = sys.GetProgInfo(fd); err == nil {
				progs = append(progs, ProgramState{name, i.ID, i.Type.String(), hex.EncodeToString(i.Tag[:]), i.Xlated, i.Jited, i.Verified, i.RunCount, i.RunTime})
			}
		} else {
			var i *sys.MapInfo
			if i, err = sys.GetMapInfo(fd); err == nil {
				maps = append(maps, MapState{name, i.ID, i.Type.String(), i.KeySize, i.ValueSize, i.MaxEntries})
			}
		}
		_ = fd.Close() // nothing was written through it
		if err != nil {
			return nil, nil, explain("read "+dir, err, []capability{capBPF})
		}
	}
	return progs, maps, nil
}

// perCPU are the map types with a value for each CPU.
var perCPU = map[bpf.MapType]bool{
	bpf.MapPercpuArray: true, bpf.MapPercpuHash: true, bpf.MapLRUPercpuHash: true, bpf.MapPercpuCgroupStorage: true,
}

// Elements reads up to limit elements of a map; more tells that there are others.
func (t *Target) Elements(in *Insertion, name string, limit int) (out []Element, more bool, err error) {
	if in.gen == 0 {
		return nil, false, exitcode.NotFound.Errorf("map %s: nothing is in force", name)
	}
	fd, err := sys.ObjGet(filepath.Join(genDir(in.dir, in.gen), escape("map-"+name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, exitcode.NotFound.Errorf("driver %s has no map %s", in.Driver, name)
	}
	if err != nil {
		return nil, false, explain("open map "+name, err, []capability{capBPF})
	}
	defer fd.Close() //nolint:errcheck // nothing is written through it
	i, err := sys.GetMapInfo(fd)
	if err != nil {
		return nil, false, explain("read map "+name, err, []capability{capBPF})
	}
	cpus, stride := 1, int(i.ValueSize)
	if perCPU[i.Type] {
		cpus, stride = PossibleCPUs(), (int(i.ValueSize)+7)&^7
	}
	var key []byte
	for {
		next := make([]byte, i.KeySize)
		ok, err := sys.MapNextKey(fd, key, next)
		if err != nil {
			return out, false, exitcode.Unsupported.Errorf("walk map %s: a %s map cannot be listed: %w", name, i.Type, err)
		}
		if !ok {
			return out, false, nil
		}
		if len(out) >= limit {
			return out, true, nil
		}
		value := make([]byte, cpus*stride)
		switch err := sys.MapLookup(fd, next, value); {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile, or an empty slot
		case err != nil:
			return out, false, explain("read map "+name, err, []capability{capBPF})
		default:
			e := Element{Key: next}
			for c := range cpus {
				e.Values = append(e.Values, value[c*stride:][:i.ValueSize])
			}
			out = append(out, e)
		}
		key = next
	}
}
