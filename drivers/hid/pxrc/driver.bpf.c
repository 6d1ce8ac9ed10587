// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * PhoenixRC flight controllers (1781:0898) send eight axes through seven
 * bytes: the last byte is the slider and the dial by turns. The descriptor is
 * replaced by one with eight axes, and the turn and both values are kept in a
 * map between reports.
 */
#include <modbpf/hid.h>

static const u8 pxrc_fixed[] = {
	0x05, 0x01, 0x09, 0x04, 0xa1, 0x01, 0x09, 0x01, 0xa1, 0x00, 0x09, 0x30, 0x09, 0x36, 0x09, 0x31,
	0x09, 0x32, 0x09, 0x33, 0x09, 0x34, 0x09, 0x35, 0x09, 0x37, 0x15, 0x00, 0x26, 0xff, 0x00, 0x35,
	0x00, 0x46, 0xff, 0x00, 0x75, 0x08, 0x95, 0x08, 0x81, 0x02, 0xc0, 0xc0,
};

struct axes {
	u8 slider, dial;
	bool slider_next;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct axes);
} state SEC(".maps");

RDESC_FIXUP(pxrc_rdesc)
{
	return rdesc_replace(ctx, pxrc_fixed, sizeof(pxrc_fixed));
}

DEVICE_EVENT(pxrc_event)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 8);
	u32 zero = 0;
	struct axes *a = bpf_map_lookup_elem(&state, &zero);

	if (!data || !a || type != HID_INPUT_REPORT || ctx->size < 8)
		return 0;
	if (a->slider_next)
		a->slider = data[7];
	else
		a->dial = data[7];
	a->slider_next = !a->slider_next;
	data[1] = a->slider;
	data[7] = a->dial;
	return 0;
}

HID_DRIVER(pxrc) = {
	.hid_rdesc_fixup = (void *)pxrc_rdesc,
	.hid_device_event = (void *)pxrc_event,
};

LICENSE("Dual BSD/GPL");
