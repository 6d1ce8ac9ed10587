// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The Redragon Asura keyboard (0c45:760b) sends a bitmap of keys, but calls the
 * field an array. Making it variable lets every key through.
 */
#include <modbpf/hid.h>

RDESC_FIXUP(redragon_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 102);

	if (data && ctx->size >= 102 && data[100] == 0x81 && data[101] == 0x00)
		data[101] = 0x02; /* Data, Variable */
	return 0;
}

HID_DRIVER(redragon) = {
	.hid_rdesc_fixup = (void *)redragon_rdesc,
};

LICENSE("Dual BSD/GPL");
