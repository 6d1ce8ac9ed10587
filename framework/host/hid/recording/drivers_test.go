// SPDX-License-Identifier: Apache-2.0

package recording_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/modbpf/modbpf/framework/host/hid/descriptor"
	"github.com/modbpf/modbpf/framework/host/hid/recording"
)

// Every recording a driver ships can be read, its descriptor is one the kernel
// would parse, and it says where it came from.
func TestShippedRecordings(t *testing.T) {
	files, err := filepath.Glob("../../../../drivers/hid/*/recordings/*.rec")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		devs, err := recording.Read(f, name)
		f.Close()
		if err != nil {
			t.Error(err)
			continue
		}
		for _, d := range devs {
			if _, err := descriptor.Parse(d.Descriptor); err != nil {
				t.Errorf("%s: %v\n%s", name, err, descriptor.Text(d.Descriptor))
			}
			if len(d.Comments) == 0 {
				t.Errorf("%s does not say where it came from", name)
			}
		}
	}
}
