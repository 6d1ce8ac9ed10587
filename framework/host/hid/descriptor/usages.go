// SPDX-License-Identifier: Apache-2.0

package descriptor

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Usage is a page in the upper and an id in the lower half.
type Usage uint32

// Page is the usage page.
func (u Usage) Page() uint16 { return uint16(u >> 16) }

// ID is the number within the page.
func (u Usage) ID() uint16 { return uint16(u) }

var (
	namesMu     sync.Mutex
	namesByPage = map[uint16]map[uint16]string{}
)

func usageName(page, id uint16) string {
	namesMu.Lock()
	defer namesMu.Unlock()
	names, ok := namesByPage[page]
	if !ok {
		names = map[uint16]string{}
		for line := range strings.SplitSeq(usageNames[page], "\n") {
			num, name, found := strings.Cut(line, " ")
			if v, err := strconv.ParseUint(num, 16, 16); found && err == nil {
				names[uint16(v)] = name
			}
		}
		namesByPage[page] = names
	}
	return names[id]
}

// PageName names a usage page.
func PageName(page uint16) string {
	if n := pageNames[page]; n != "" {
		return n
	}
	if page >= 0xff00 {
		return fmt.Sprintf("Vendor 0x%04x", page)
	}
	return fmt.Sprintf("Page 0x%04x", page)
}

// String is the usage's name in the HID Usage Tables, "Button 3", or its number.
func (u Usage) String() string {
	if n := usageName(u.Page(), u.ID()); n != "" {
		return n
	}
	switch u.Page() {
	case 0x09:
		return fmt.Sprintf("Button %d", u.ID())
	case 0x0a:
		return fmt.Sprintf("Instance %d", u.ID())
	}
	return fmt.Sprintf("0x%04x", u.ID())
}
