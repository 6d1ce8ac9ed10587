// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The NTI USB-SUN adapter (0757:0a00) turns a Sun keyboard into a USB one and
 * sends usages up to 0xe7, but describes its array only up to 0x65, so the left
 * column of Sun keys and the modifiers are lost.
 */
#include <modbpf/hid.h>

#define LOGICAL_MAX 53
#define USAGE_MAX 59

RDESC_FIXUP(nti_rdesc)
{
	u8 *data = hid_bpf_get_data(ctx, 0, 60);

	if (data && ctx->size >= 60 && data[LOGICAL_MAX] == 0x65 && data[USAGE_MAX] == 0x65)
		data[LOGICAL_MAX] = data[USAGE_MAX] = 0xe7;
	return 0;
}

HID_DRIVER(nti) = {
	.hid_rdesc_fixup = (void *)nti_rdesc,
};

LICENSE("Dual BSD/GPL");
