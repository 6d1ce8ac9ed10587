// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Aureal W-01RN keyboards (0755:2626) give their key array a logical maximum of
 * 1, so all but two key codes count as out of range.
 */
#include <modbpf/hid.h>

RDESC_FIXUP(aureal_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 54);

	if (data && ctx->size >= 54 && data[52] == 0x25 && data[53] == 0x01)
		data[53] = 0x65;
	return 0;
}

HID_DRIVER(aureal) = {
	.hid_rdesc_fixup = (void *)aureal_rdesc,
};

LICENSE("Dual BSD/GPL");
