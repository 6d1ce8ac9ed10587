// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The Gembird JPD-DualForce 2 joypad (11ff:3331) declares its axes as X, Y, Z,
 * Z, Rz. The first Z never moves; the two after it are the right stick. The
 * five axes are described anew: the dead one as constant, the stick as Rx, Ry.
 */
#include <modbpf/hid.h>

#define FAULT_AT 8

static const u8 faulty[] = {
	0x75, 0x08, 0x95, 0x05, 0x15, 0x00, 0x26, 0xff, 0x00, 0x35, 0x00, 0x46, 0xff, 0x00, 0x09, 0x30,
	0x09, 0x31, 0x09, 0x32, 0x09, 0x32, 0x09, 0x35, 0x81, 0x02,
};

static const u8 fixed[] = {
	0x75, 0x08, 0x95, 0x02, 0x15, 0x00, 0x26, 0xff, 0x00, 0x35, 0x00, 0x46, 0xff, 0x00, 0x09, 0x30,
	0x09, 0x31, 0x81, 0x02, 0x95, 0x01, 0x09, 0x32, 0x81, 0x01, 0x95, 0x02, 0x09, 0x33, 0x09, 0x34,
	0x81, 0x02,
};

#define GROWTH (sizeof(fixed) - sizeof(faulty))
#define TAIL_MAX (HID_RDESC_MAX - FAULT_AT - sizeof(fixed))

RDESC_FIXUP(gembird_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, HID_RDESC_MAX);
	u32 size = ctx->size;

	if (!data || size < FAULT_AT + sizeof(faulty) || size > HID_RDESC_MAX - GROWTH)
		return 0;
	if (!bytes_equal(data + FAULT_AT, faulty, sizeof(faulty)))
		return 0;
	/* What follows the fault moves up, last byte first. */
	for (u32 i = 0; i < HID_RDESC_MAX; i++) {
		u32 from = size - 1 - i;

		if (i >= size - FAULT_AT - sizeof(faulty) || from >= HID_RDESC_MAX - GROWTH)
			break;
		data[from + GROWTH] = data[from];
	}
	for (u32 i = 0; i < sizeof(fixed); i++)
		data[FAULT_AT + i] = fixed[i];
	return size + GROWTH;
}

HID_DRIVER(gembird) = {
	.hid_rdesc_fixup = (void *)gembird_rdesc,
};

LICENSE("Dual BSD/GPL");
