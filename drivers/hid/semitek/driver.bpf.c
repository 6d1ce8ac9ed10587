// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Semitek keyboards (1ea7:0907) describe report 4 of their second interface as
 * an array of key codes, but send a bitmap of keys. Making the field variable
 * lets every key of an n-key rollover press through.
 */
#include <modbpf/hid.h>

#define RDESC_SIZE 0xcb /* the interface that has the fault */
#define INPUT_ITEM 0x83 /* 81 00: Input (Data, Array) */

RDESC_FIXUP(semitek_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, RDESC_SIZE);

	if (data && ctx->size == RDESC_SIZE && data[INPUT_ITEM] == 0x81 && data[INPUT_ITEM + 1] == 0x00)
		data[INPUT_ITEM + 1] = 0x02; /* Data, Variable */
	return 0;
}

HID_DRIVER(semitek) = {
	.hid_rdesc_fixup = (void *)semitek_rdesc,
};

LICENSE("Dual BSD/GPL");
