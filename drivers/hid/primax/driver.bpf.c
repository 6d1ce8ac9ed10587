// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Primax keyboards (0461:4e05) send modifier keys among the six key codes
 * instead of as bits of the first byte. Each one found there is moved to its
 * bit. The array is walked from the end, as the device fills it.
 */
#include <modbpf/hid.h>

#define REPORT_SIZE 8
#define KEY_LEFT_CTRL 0xe0
#define KEY_RIGHT_GUI 0xe7

DEVICE_EVENT(primax_event)
{
	u8 *data = hid_bpf_get_data(ctx, 0, REPORT_SIZE);

	int size = ctx->size;

	if (!data || type != HID_INPUT_REPORT)
		return 0;
	for (int i = REPORT_SIZE - 1; i > 1; i--) {
		if (i >= size || data[i] < KEY_LEFT_CTRL || data[i] > KEY_RIGHT_GUI)
			continue;
		data[0] |= 1 << (data[i] - KEY_LEFT_CTRL);
		data[i] = 0;
	}
	return 0;
}

HID_DRIVER(primax) = {
	.hid_device_event = (void *)primax_event,
};

LICENSE("Dual BSD/GPL");
