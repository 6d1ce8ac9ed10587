// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Elecom mice and trackballs (056e) have up to eight buttons but describe
 * fewer, the rest as padding. The button count, the last button's usage and
 * the padding are corrected; where these items stand depends on the model. The
 * BM084 instead describes a horizontal wheel that it does not have.
 */
#include <modbpf/hid.h>

#define ALL_BUTTONS 8 /* buttons and padding share one byte */

struct layout {
	u8 count, padding, size, usage_max; /* offsets of the items */
	u8 buttons;
};

static __always_inline struct layout layout_of(u32 product)
{
	switch (product) {
	case 0x00e6:
		return (struct layout){ 20, 28, 22, 14, 8 };
	case 0x00fb: case 0x018f: case 0x00fc: case 0x00fd:
		return (struct layout){ 12, 30, 14, 20, 6 };
	case 0x00fe: case 0x00ff: case 0x010c: case 0x019b: case 0x010d:
		return (struct layout){ 12, 30, 14, 20, 8 };
	case 0x018c: case 0x018e:
		return (struct layout){ 22, 30, 24, 16, 6 };
	case 0x018d: case 0x011c:
		return (struct layout){ 22, 30, 24, 16, 8 };
	case 0x01aa: case 0x01ab: case 0x01ac:
		return (struct layout){ 24, 28, 22, 16, 8 };
	}
	return (struct layout){};
}

RDESC_FIXUP(elecom_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 64);
	u32 product = ctx->hid->product;
	int size = ctx->size;
	struct layout l;

	if (!data)
		return 0;
	if (product == 0x0061) {
		if (size >= 48 && data[46] == 0x05 && data[47] == 0x0c)
			data[47] = 0x00;
		return 0;
	}
	l = layout_of(product);
	if (!l.buttons || size < 32 || data[l.count & 31] != 0x95 || data[l.size & 31] != 0x75 ||
	    data[(l.size & 31) + 1] != 0x01 || data[l.usage_max & 31] != 0x29 || data[l.padding & 31] != 0x75)
		return 0;
	data[(l.count & 31) + 1] = l.buttons;
	data[(l.usage_max & 31) + 1] = l.buttons;
	data[(l.padding & 31) + 1] = ALL_BUTTONS - l.buttons;
	return 0;
}

HID_DRIVER(elecom) = {
	.hid_rdesc_fixup = (void *)elecom_rdesc,
};

LICENSE("Dual BSD/GPL");
