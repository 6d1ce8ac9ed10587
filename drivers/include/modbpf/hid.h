/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HID drivers: the hid_bpf_ops table, its slots and the functions they may
 * call. See docs/tutorial-hid.md for a first driver.
 */
#ifndef MODBPF_HID_H
#define MODBPF_HID_H

#include <modbpf/core.h>

enum hid_report_type {
	HID_INPUT_REPORT = 0,
	HID_OUTPUT_REPORT = 1,
	HID_FEATURE_REPORT = 2,
};

enum hid_class_request {
	HID_REQ_GET_REPORT = 0x01,
	HID_REQ_SET_REPORT = 0x09,
};

KERNEL_TYPES_BEGIN
struct hid_device {
	u16 bus;
	u16 group;
	u32 vendor;
	u32 product;
	char name[128];
	char phys[64];
	char uniq[64];
};

struct hid_bpf_ctx {
	struct hid_device *hid;
	u32 allocated_size;
	union {
		s32 retval;
		s32 size;
	};
};

struct list_head {
	struct list_head *next, *prev;
};

struct hid_bpf_ops {
	int hid_id;
	u32 flags;
	struct list_head list;
	int (*hid_device_event)(struct hid_bpf_ctx *ctx, enum hid_report_type type, u64 source);
	int (*hid_rdesc_fixup)(struct hid_bpf_ctx *ctx);
	int (*hid_hw_request)(struct hid_bpf_ctx *ctx, unsigned char reportnum, enum hid_report_type rtype,
			      enum hid_class_request reqtype, u64 source);
	int (*hid_hw_output_report)(struct hid_bpf_ctx *ctx, u64 source);
	struct hid_device *hdev;
};
KERNEL_TYPES_END

extern u8 *hid_bpf_get_data(struct hid_bpf_ctx *ctx, unsigned int offset, const size_t rdwr_buf_size) __ksym;
extern struct hid_bpf_ctx *hid_bpf_allocate_context(unsigned int hid_id) __ksym;
extern void hid_bpf_release_context(struct hid_bpf_ctx *ctx) __ksym;
extern int hid_bpf_hw_request(struct hid_bpf_ctx *ctx, u8 *buf, size_t buf__sz, enum hid_report_type rtype,
			      enum hid_class_request reqtype) __ksym;
extern int hid_bpf_try_input_report(struct hid_bpf_ctx *ctx, enum hid_report_type type, u8 *buf,
				    const size_t buf__sz) __weak __ksym;

/* The largest report descriptor the kernel hands to a driver, in bytes. */
#define HID_RDESC_MAX 4096

/*
 * `RDESC_FIXUP(name) { ... }` and `DEVICE_EVENT(name) { ... }` define the body
 * of a slot with `ctx` (and `type`, `source`) in scope. Return 0 to keep the
 * size, a positive new size, or a negative number to drop.
 */
#define RDESC_FIXUP(name)                                             \
	static __always_inline int name##_body(struct hid_bpf_ctx *ctx); \
	SEC("struct_ops/hid_rdesc_fixup") int name(u64 *args)            \
	{                                                                \
		return name##_body((struct hid_bpf_ctx *)args[0]);       \
	}                                                                \
	static __always_inline int name##_body(struct hid_bpf_ctx *ctx)

#define DEVICE_EVENT(name)                                                                                      \
	static __always_inline int name##_body(struct hid_bpf_ctx *ctx, enum hid_report_type type, u64 source); \
	SEC("struct_ops/hid_device_event") int name(u64 *args)                                                  \
	{                                                                                                       \
		return name##_body((struct hid_bpf_ctx *)args[0], args[1], args[2]);                            \
	}                                                                                                       \
	static __always_inline int name##_body(struct hid_bpf_ctx *ctx, enum hid_report_type type, u64 source)

#define HID_DRIVER(name) SEC(".struct_ops.link") struct hid_bpf_ops name

/* What a SEC("syscall") probe program is given: it sets retval to 0 to bind. */
struct hid_bpf_probe_args {
	unsigned int hid;
	unsigned int rdesc_size;
	unsigned char rdesc[HID_RDESC_MAX];
	int retval;
};

/* Puts a whole new descriptor in place of the device's; returns its size. */
static __always_inline int rdesc_replace(struct hid_bpf_ctx *ctx, const u8 *fixed, u32 size)
{
	u8 *data = hid_bpf_get_data(ctx, 0, HID_RDESC_MAX);

	if (!data)
		return 0;
	for (u32 i = 0; i < size && i < HID_RDESC_MAX; i++)
		data[i] = fixed[i];
	return size;
}

/* Reports whether the descriptor at data+off begins with these bytes. */
static __always_inline bool bytes_equal(const u8 *data, const u8 *want, u32 size)
{
	for (u32 i = 0; i < size; i++)
		if (data[i] != want[i])
			return false;
	return true;
}

#endif
