// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ortek and Skycable keyboards declare a logical maximum of 1 for an array of
 * key codes. Where the item stands tells the two kinds apart.
 */
#include <modbpf/hid.h>

RDESC_FIXUP(ortek_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 56);
	int size = ctx->size;

	if (!data)
		return 0;
	if (size >= 56 && data[54] == 0x25 && data[55] == 0x01)
		data[55] = 0x92;
	else if (size >= 54 && data[52] == 0x25 && data[53] == 0x01)
		data[53] = 0x65;
	return 0;
}

HID_DRIVER(ortek) = {
	.hid_rdesc_fixup = (void *)ortek_rdesc,
};

LICENSE("Dual BSD/GPL");
