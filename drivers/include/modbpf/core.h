/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every driver needs: fixed-size types, section and relocation
 * attributes, parameters. Nothing here depends on a kernel's headers; kernel
 * structures are declared where they are used, with just the fields used, and
 * the binder relocates them (CO-RE).
 */
#ifndef MODBPF_CORE_H
#define MODBPF_CORE_H

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u8 u8;
typedef __s8 s8;
typedef __u16 u16;
typedef __s16 s16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef _Bool bool;
typedef __u64 size_t;

#define true 1
#define false 0
#define NULL ((void *)0)

#define SEC(name) __attribute__((section(name), used))
#define __ksym __attribute__((section(".ksyms")))
#define __kconfig __attribute__((section(".kconfig")))
#define __weak __attribute__((weak))
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))

/* Fields of structures between these two are relocated to the kernel's layout. */
#define KERNEL_TYPES_BEGIN \
	_Pragma("clang attribute push(__attribute__((preserve_access_index)), apply_to = record)")
#define KERNEL_TYPES_END _Pragma("clang attribute pop")

#define field_exists(field) __builtin_preserve_field_info(field, 2)

/*
 * Reads a bit field through a pointer the kernel lets programs follow. Its
 * word, position and sign are relocated, since kernels move bit fields about.
 */
#define bit_field(ptr, field)                                                                       \
	({                                                                                          \
		const void *__p = (const void *)(ptr) + __builtin_preserve_field_info((ptr)->field, 0); \
		u64 __v = 0;                                                                        \
		switch (__builtin_preserve_field_info((ptr)->field, 1)) {                           \
		case 1:                                                                             \
			__v = *(const u8 *)__p;                                                     \
			break;                                                                      \
		case 2:                                                                             \
			__v = *(const u16 *)__p;                                                    \
			break;                                                                      \
		case 4:                                                                             \
			__v = *(const u32 *)__p;                                                    \
			break;                                                                      \
		case 8:                                                                             \
			__v = *(const u64 *)__p;                                                    \
			break;                                                                      \
		}                                                                                   \
		__v <<= __builtin_preserve_field_info((ptr)->field, 4);                             \
		__v >>= __builtin_preserve_field_info((ptr)->field, 5);                             \
		__v;                                                                                \
	})

/*
 * A parameter: `PARAM(bool, invert) = false;` is set with `modbpf insert ...
 * invert=true` before the driver is loaded and is constant afterwards, so the
 * verifier removes the branches not taken.
 */
#define PARAM(type, name) const volatile type name

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#ifndef min
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#endif

#define LICENSE(text) char _license[] SEC("license") = text

/* Maps, in the form the BTF of the object describes them. */
#define __uint(name, val) int (*name)[val]
#define __type(name, val) val *name

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
};

/* Helpers, by their number in the kernel's ABI (include/uapi/linux/bpf.h). */
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static u64 (*const bpf_jiffies64)(void) = (void *)118;


#endif
