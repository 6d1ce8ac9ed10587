// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Topre REALFORCE keyboards (0853:0146, 0148, 0313) describe the bitmap of
 * their n-key rollover mode as an array. The two layouts carry the field at
 * different places.
 */
#include <modbpf/hid.h>

RDESC_FIXUP(topre_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 119);
	int size = ctx->size;

	if (!data)
		return 0;
	if (size >= 119 && data[69] == 0x29 && data[70] == 0xe7 && data[71] == 0x81 && data[72] == 0x00)
		data[72] = 0x02;
	else if (size >= 106 && data[28] == 0x29 && data[29] == 0xe7 && data[30] == 0x81 && data[31] == 0x00)
		data[31] = 0x02;
	return 0;
}

HID_DRIVER(topre) = {
	.hid_rdesc_fixup = (void *)topre_rdesc,
};

LICENSE("Dual BSD/GPL");
