// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One of everything that this package reads.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef _Bool bool;
#define SEC(n) __attribute__((section(n), used))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
#define __noinline __attribute__((noinline))
#define __ksym __attribute__((section(".ksyms")))
#define __kconfig __attribute__((section(".kconfig")))
#define __arena __attribute__((address_space(1)))
#define __tag(x) __attribute__((btf_decl_tag(x)))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define CORE __attribute__((preserve_access_index))

static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*loop)(u32 n, void *cb, void *ctx, u64 flags) = (void *)181;
static long (*tail_call)(void *ctx, void *map, u32 i) = (void *)12;

struct {
	__uint(type, 1);
	__uint(max_entries, 10);
	__type(key, u32);
	__type(value, u64);
	__uint(map_flags, 1);
	__uint(pinning, 1);
} hash SEC(".maps");

struct inner_map {
	__uint(type, 2);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
};
struct inner_map small SEC(".maps");
struct {
	__uint(type, 12);
	__uint(max_entries, 3);
	__type(key, u32);
	__array(values, struct inner_map);
} outer SEC(".maps") = { .values = { [1] = &small } };

int entry(void *ctx);
struct {
	__uint(type, 3);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [1] = (void *)&entry } };

struct {
	__uint(type, 27);
	__uint(max_entries, 5000);
} ring SEC(".maps");

struct {
	__uint(type, 33);
	__uint(map_flags, 1 << 10);
	__uint(max_entries, 4);
} arena SEC(".maps");
int __arena in_arena SEC(".addr_space.1") = 5;

const volatile bool invert = 0;
const volatile int level = -3;
const volatile u8 small_number = 2;
const volatile char label[8] = "abc";
int counter = 9;
static int hits;
u64 private_lock __hidden SEC(".data.private") = 1;

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_ON __kconfig;
extern u64 CONFIG_NUMBER __kconfig;
extern char CONFIG_TEXT[8] __kconfig;
extern int CONFIG_ABSENT __kconfig __weak;

struct task___here {
	u64 pid, tgid;
} CORE;
struct inner { u32 deep; } CORE;
struct task {
	u32 pid;
	struct inner in[4];
	u64 narrow;
	short grown_signed;
	u64 bits:5;
	int gone;
	u64 moved;
} CORE;
enum color { RED, GREEN, BLUE };
enum big : u64 { HUGE = 1 };
struct nowhere { int x; } CORE;

extern int kfunc_present(struct task *t, u64 n) __ksym;
extern int kfunc_absent(struct task *t) __ksym;
extern int kfunc_weak(struct task *t) __ksym __weak;
extern int kfunc_other___flavor(struct task *t) __ksym;
extern const int kernel_var __ksym;
extern const int kernel_var_weak __ksym __weak;
extern const void address_only __ksym;

__noinline static int helper(int x) { hits += x; return hits; }
__noinline int global_one(int x) { return helper(x) + counter; }
__noinline __hidden int hidden_one(int x) { return global_one(x) * 2; }
static long each(u32 i, void *ctx) { helper(i); return 0; }

SEC("xdp") int entry(void *ctx)
{
	u32 k = 1;
	u64 *v = lookup(&hash, &k);
	loop(level, each, &k, 0);
	if (v && !invert)
		return hidden_one(*v);
	tail_call(ctx, &jumps, 1);
	return LINUX_KERNEL_VERSION + CONFIG_ON + CONFIG_NUMBER + CONFIG_TEXT[0] + CONFIG_ABSENT + label[small_number] + private_lock;
}

SEC("?tc") int optional(void *ctx) { in_arena = 1; return lookup(&outer, ctx) != 0; }
SEC("fentry/traced") int on_entry(void *ctx) { return 0; }
SEC("fentry/absent") int on_absent(void *ctx) { return 0; }
SEC("fexit") int no_target(void *ctx) { return 0; }
SEC("tp_btf/event") int on_event(void *ctx) { return 0; }
SEC("lsm.s/hook") int on_hook(void *ctx) { return 0; }
SEC("iter/thing") int on_iter(void *ctx) { return 0; }
SEC("strange") int odd(void *ctx) { return 0; }

SEC("syscall") int offsets(struct task *t)
{
	// fields that moved, lie in an anonymous union, changed size
	return t->pid + t->in[2].deep + t->narrow + t->moved + ((struct task___here *)t)->tgid;
}
SEC("syscall") int lost(struct task *t) { return t->gone; }
SEC("syscall") int shrunk(struct task *t) { return t->grown_signed; }
SEC("syscall") int infos(struct task *t)
{
	u64 r = 0;
	r = r * 3 + __builtin_preserve_field_info(t->gone, 2);         // 0
	r = r * 3 + __builtin_preserve_field_info(t->pid, 2);          // 1
	return r;
}
SEC("syscall") int size_of(struct task *t) { return __builtin_preserve_field_info(t->in, 1); }
SEC("syscall") int sign_of(struct task *t) { return __builtin_preserve_field_info(t->grown_signed, 3); }
SEC("syscall") int lshift_of(struct task *t) { return __builtin_preserve_field_info(t->bits, 4); }
SEC("syscall") int rshift_of(struct task *t) { return __builtin_preserve_field_info(t->bits, 5); }
SEC("syscall") u64 type_here(void *c) { return __builtin_btf_type_id(*(struct task *)0, 0); }
SEC("syscall") u64 type_there(void *c) { return __builtin_btf_type_id(*(struct task *)0, 1); }
SEC("syscall") u64 exists(void *c) { return __builtin_preserve_type_info(*(struct nowhere *)0, 0) * 2 + __builtin_preserve_type_info(*(struct task *)0, 0); }
SEC("syscall") u64 type_size(void *c) { return __builtin_preserve_type_info(*(struct task *)0, 1); }
SEC("syscall") u64 enum_value(void *c) { return __builtin_preserve_enum_value(*(typeof(enum color) *)GREEN, 1); }
SEC("syscall") u64 enum_big(void *c) { return (u64) __builtin_preserve_enum_value(*(typeof(enum big) *)HUGE, 1); }
SEC("syscall") u64 enum_absent(void *c) { return __builtin_preserve_enum_value(*(typeof(enum color) *)BLUE, 0); }

SEC("syscall") int calls(struct task *t)
{
	int r = kfunc_present(t, 1) + kfunc_other___flavor(t);
	if (kfunc_weak)
		r += kfunc_weak(t);
	return r + kernel_var + (&kernel_var_weak ? 1 : 0) + (u64)&address_only;
}
SEC("syscall") int calls_absent(struct task *t) { return kfunc_absent(t); }

struct ops___mine { int (*second)(struct task *t); int (*first)(int x); u32 value; int (*never)(void); char name[8]; };
SEC("struct_ops/first") int a_first(u64 *ctx) { return 1; }
SEC("struct_ops.s/second") int a_second(u64 *ctx) { return 2; }
SEC("struct_ops/first") int b_first(u64 *ctx) { return 3; }
SEC("struct_ops") int never(u64 *ctx) { return 4; }
SEC("struct_ops") int unused(u64 *ctx) { return 5; }
SEC(".struct_ops.link") struct ops___mine one = { .first = (void *)a_first, .second = (void *)a_second, .value = 42, .name = "one" };
SEC(".struct_ops") struct ops___mine two = { .first = (void *)b_first, .never = (void *)never, .name = "two" };
struct lost_ops { int (*go)(void); };
SEC("struct_ops") int lost_go(u64 *ctx) { return 6; }
SEC("?.struct_ops.link") struct lost_ops gone = { .go = (void *)lost_go };

struct { struct { __uint(bus, 3); __uint(group, 1); __uint(vid, 0x256c); __uint(pid, 0x60); } e1; } config_type;
union { typeof(config_type.e1) e1; struct { __uint(bus, 5); __uint(group, 0); __uint(vid, 1); __uint(pid, 2); } e2; } _device_ids SEC(".hid_bpf_config");

char _license[] SEC("license") = "Dual BSD/GPL";
