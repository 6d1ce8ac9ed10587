// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The Macally iKey keyboard (060b:0001) has keys up to usage 0x67, but its
 * descriptor ends the array at 0x65, so the keypad's "=" and the power key are
 * ignored. Both the logical and the usage maximum are raised.
 */
#include <modbpf/hid.h>

#define LOGICAL_MAX 53
#define USAGE_MAX 59

RDESC_FIXUP(macally_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 60);

	if (data && ctx->size >= 60 && data[LOGICAL_MAX] == 0x65 && data[USAGE_MAX] == 0x65)
		data[LOGICAL_MAX] = data[USAGE_MAX] = 0x67;
	return 0;
}

HID_DRIVER(macally) = {
	.hid_rdesc_fixup = (void *)macally_rdesc,
};

LICENSE("Dual BSD/GPL");
