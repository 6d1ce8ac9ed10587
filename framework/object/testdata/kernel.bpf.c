// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Types that stand for a kernel's in the tests of this package.

typedef unsigned int u32;
typedef unsigned long long u64;

struct inner { int pad; u32 deep; };
struct task {
	u64 moved;
	union { struct { u32 pid; u32 tgid; }; u64 both; };
	struct inner in[4];
	u32 narrow;            // 64 bits in the object
	int grown_signed;      // 16 bits in the object: cannot be followed
	u64 flag:3, bits:11;
	char open[];
};
enum color { RED = 7, GREEN = 70000 };
enum big { HUGE = 0x9123456789abcdefULL };

struct twin { int a; };
struct ops { int (*first)(int x); int (*added)(void); int (*second)(struct task *t); u32 value; char name[8]; };
struct common { int a, b; };
struct bpf_struct_ops_ops { struct common common; struct ops data; };
typedef void (*btf_trace_event)(void *, struct task *t);

int kfunc_present(struct task *t, u64 n) { return 0; }
int kfunc_other(struct task *t) { return 0; }
int bpf_lsm_hook(struct task *t) { return 0; }
int bpf_iter_thing(struct task *t) { return 0; }
int traced(int x) { return x; }
int kernel_var;

struct bpf_struct_ops_ops *keep_ops;
btf_trace_event keep_event;
enum color keep_color;
enum big keep_big;
struct twin *keep_twin;
