// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the host's runtime must do, asked by programs: each returns 0, or the
 * number of the line that found something else. Compiled by go generate.
 */
#include <modbpf/core.h>

#define CHECK(cond) do { if (!(cond)) return __LINE__; } while (0)
#define __array(name, val) typeof(val) *name[]
#define __kptr __attribute__((btf_type_tag("kptr")))
#define __contains(type, node) __attribute__((btf_decl_tag("contains:" #type ":" #node)))
#define __hidden __attribute__((visibility("hidden")))
#define private(name) SEC(".data." #name) __hidden __attribute__((aligned(8)))
#define container_of(ptr, type, member) ((type *)((void *)(ptr) - __builtin_offsetof(type, member)))

struct bpf_spin_lock { u32 val; };
struct bpf_timer { u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_wq { u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_list_head { u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_list_node { u64 __opaque[3]; } __attribute__((aligned(8)));
struct bpf_rb_root { u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_rb_node { u64 __opaque[4]; } __attribute__((aligned(8)));
struct bpf_refcount { u32 __opaque[1]; } __attribute__((aligned(4)));
struct bpf_dynptr { u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_iter_num { u64 __opaque[1]; } __attribute__((aligned(8)));

static u32 (*const bpf_get_prandom_u32)(void) = (void *)7;
static u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;
static long (*const bpf_tail_call)(void *ctx, void *map, u32 index) = (void *)12;
static long (*const bpf_map_push_elem)(void *map, const void *value, u64 flags) = (void *)87;
static long (*const bpf_map_pop_elem)(void *map, void *value) = (void *)88;
static long (*const bpf_map_peek_elem)(void *map, void *value) = (void *)89;
static long (*const bpf_spin_lock)(struct bpf_spin_lock *lock) = (void *)93;
static long (*const bpf_spin_unlock)(struct bpf_spin_lock *lock) = (void *)94;
static long (*const bpf_strtol)(const char *buf, unsigned long len, u64 flags, long *res) = (void *)105;
static void *(*const bpf_ringbuf_reserve)(void *rb, u64 size, u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static void (*const bpf_ringbuf_discard)(void *data, u64 flags) = (void *)133;
static u64 (*const bpf_ringbuf_query)(void *rb, u64 flags) = (void *)134;
static long (*const bpf_for_each_map_elem)(void *map, void *fn, void *ctx, u64 flags) = (void *)164;
static long (*const bpf_snprintf)(char *str, u32 size, const char *fmt, u64 *data, u32 len) = (void *)165;
static long (*const bpf_timer_init)(struct bpf_timer *t, void *map, u64 flags) = (void *)169;
static long (*const bpf_timer_set_callback)(struct bpf_timer *t, void *fn) = (void *)170;
static long (*const bpf_timer_start)(struct bpf_timer *t, u64 nsecs, u64 flags) = (void *)171;
static long (*const bpf_loop)(u32 n, void *fn, void *ctx, u64 flags) = (void *)181;
static long (*const bpf_strncmp)(const char *s1, u32 n, const char *s2) = (void *)182;
static void *(*const bpf_kptr_xchg)(void *dst, void *ptr) = (void *)194;
static void *(*const bpf_map_lookup_percpu_elem)(void *map, const void *key, u32 cpu) = (void *)195;
static long (*const bpf_dynptr_from_mem)(void *data, u32 size, u64 flags, struct bpf_dynptr *p) = (void *)197;
static long (*const bpf_dynptr_read)(void *dst, u32 len, const struct bpf_dynptr *src, u32 off, u64 flags) = (void *)201;
static long (*const bpf_dynptr_write)(const struct bpf_dynptr *dst, u32 off, void *src, u32 len, u64 flags) = (void *)202;

extern void *bpf_obj_new_impl(u64 local_type_id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *kptr, void *meta) __ksym;
extern void *bpf_refcount_acquire_impl(void *kptr, void *meta) __ksym;
extern int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, u64 off) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, u64 off) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head) __ksym;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
			       bool (less)(struct bpf_rb_node *a, const struct bpf_rb_node *b), void *meta, u64 off) __ksym;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *p, u32 start, u32 end) __ksym;
extern u32 bpf_dynptr_size(const struct bpf_dynptr *p) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *p, u32 off, void *buf, u32 n) __ksym;
extern void bpf_throw(u64 cookie) __ksym;

#define obj_new(type) ((type *)bpf_obj_new_impl(__builtin_btf_type_id(*(type *)0, 0), NULL))
#define obj_drop(p) bpf_obj_drop_impl(p, NULL)

LICENSE("GPL");

struct item {
	struct bpf_list_node node;
	struct bpf_rb_node rb;
	struct bpf_refcount ref;
	u64 key;
};

struct box {
	struct bpf_spin_lock lock;
	struct bpf_list_head head __contains(item, node);
	struct bpf_rb_root root __contains(item, rb);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct box);
} boxes SEC(".maps");

static struct box *the_box(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&boxes, &zero);
}

SEC("syscall")
int test_list(void *ctx)
{
	struct box *b = the_box();
	struct bpf_list_node *n;
	struct item *it;

	if (!b)
		return __LINE__;
	for (int i = 0; i < 4; i++) {
		it = obj_new(struct item);
		if (!it)
			return __LINE__;
		it->key = i;
		bpf_spin_lock(&b->lock);
		if (i & 1)
			bpf_list_push_front_impl(&b->head, &it->node, NULL, 0);
		else
			bpf_list_push_back_impl(&b->head, &it->node, NULL, 0);
		bpf_spin_unlock(&b->lock);
	}
	/* 3 1 0 2 */
	bpf_spin_lock(&b->lock);
	n = bpf_list_pop_back(&b->head);
	bpf_spin_unlock(&b->lock);
	if (!n)
		return __LINE__;
	it = container_of(n, struct item, node);
	if (it->key != 2) {
		obj_drop(it);
		return __LINE__;
	}
	obj_drop(it);
	bpf_spin_lock(&b->lock);
	n = bpf_list_pop_front(&b->head);
	bpf_spin_unlock(&b->lock);
	if (!n)
		return __LINE__;
	it = container_of(n, struct item, node);
	if (it->key != 3) {
		obj_drop(it);
		return __LINE__;
	}
	obj_drop(it);
	return 0; /* two stay in the list: they go with the map */
}

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct item, rb)->key < container_of(b, struct item, rb)->key;
}

SEC("syscall")
int test_rbtree(void *ctx)
{
	struct box *b = the_box();
	u64 last = 0, sum = 0;

	if (!b)
		return __LINE__;
	for (int i = 0; i < 8; i++) {
		struct item *it = obj_new(struct item);

		if (!it)
			return __LINE__;
		it->key = (i * 5) & 7;
		bpf_spin_lock(&b->lock);
		bpf_rbtree_add_impl(&b->root, &it->rb, less, NULL, 0);
		bpf_spin_unlock(&b->lock);
	}
	for (int i = 0; i < 6; i++) {
		struct bpf_rb_node *n;
		struct item *it;
		u64 key;

		bpf_spin_lock(&b->lock);
		n = bpf_rbtree_first(&b->root);
		if (!n) {
			bpf_spin_unlock(&b->lock);
			return __LINE__;
		}
		n = bpf_rbtree_remove(&b->root, n);
		bpf_spin_unlock(&b->lock);
		if (!n)
			return __LINE__;
		it = container_of(n, struct item, rb);
		key = it->key;
		obj_drop(it);
		if (key < last)
			return __LINE__;
		last = key;
		sum += key;
	}
	CHECK(sum == 15);
	return 0;
}

/* One object in the tree and in the list at once. */
SEC("syscall")
int test_refcount(void *ctx)
{
	struct box *b = the_box();
	struct bpf_list_node *n;
	struct item *it, *again;
	u64 key;

	if (!b)
		return __LINE__;
	it = obj_new(struct item);
	if (!it)
		return __LINE__;
	it->key = 100;
	again = bpf_refcount_acquire_impl(it, NULL);
	bpf_spin_lock(&b->lock);
	bpf_rbtree_add_impl(&b->root, &it->rb, less, NULL, 0);
	bpf_list_push_front_impl(&b->head, &again->node, NULL, 0);
	bpf_spin_unlock(&b->lock);
	bpf_spin_lock(&b->lock);
	n = bpf_list_pop_front(&b->head);
	bpf_spin_unlock(&b->lock);
	if (!n)
		return __LINE__;
	it = container_of(n, struct item, node);
	key = it->key;
	obj_drop(it);
	CHECK(key == 100);
	return 0;
}

struct held {
	u64 number;
};

struct slot {
	struct held __kptr *p;
	u64 plain;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct slot);
} slots SEC(".maps");

SEC("syscall")
int test_kptr(void *ctx)
{
	struct slot init = {}, *s;
	struct held *h, *old;
	u32 key = 1;
	u64 n;

	CHECK(!bpf_map_update_elem(&slots, &key, &init, 0));
	s = bpf_map_lookup_elem(&slots, &key);
	if (!s)
		return __LINE__;
	h = obj_new(struct held);
	if (!h)
		return __LINE__;
	h->number = 7;
	old = bpf_kptr_xchg(&s->p, h);
	if (old) {
		obj_drop(old);
		return __LINE__;
	}
	old = bpf_kptr_xchg(&s->p, NULL);
	if (!old)
		return __LINE__;
	n = old->number;
	old = bpf_kptr_xchg(&s->p, old);
	if (old) {
		obj_drop(old);
		return __LINE__;
	}
	CHECK(n == 7);
	CHECK(!bpf_map_delete_elem(&slots, &key)); /* which drops the object */
	return 0;
}

struct alarm {
	struct bpf_timer timer;
	u64 fired;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, u32);
	__type(value, struct alarm);
} alarms SEC(".maps");

static int ring(void *map, u32 *key, struct alarm *a)
{
	a->fired += 1 + *key;
	if (a->fired < 6)
		bpf_timer_start(&a->timer, 1000, 0);
	return 0;
}

SEC("syscall")
int test_timer(void *ctx)
{
	u32 key = 2;
	struct alarm *a = bpf_map_lookup_elem(&alarms, &key);

	if (!a)
		return __LINE__;
	CHECK(bpf_timer_start(&a->timer, 1000, 0) == -22);
	CHECK(!bpf_timer_init(&a->timer, &alarms, 1));
	CHECK(bpf_timer_init(&a->timer, &alarms, 1) == -16);
	CHECK(!bpf_timer_set_callback(&a->timer, ring));
	CHECK(!bpf_timer_start(&a->timer, 5000, 0));
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 10);
	__type(key, u32);
	__type(value, u64);
} numbers SEC(".maps");

static int add_index(u32 i, u64 *sum)
{
	*sum += i;
	return i == 5;
}

static long add_value(void *map, u32 *key, u64 *value, u64 *sum)
{
	*sum += *value;
	return *key == 7;
}

SEC("syscall")
int test_loops(void *ctx)
{
	struct bpf_iter_num it;
	u64 sum = 0;
	int *p;

	CHECK(bpf_loop(100, add_index, &sum, 0) == 6);
	CHECK(sum == 15);
	CHECK(bpf_loop(1 << 24, add_index, &sum, 0) == -7);
	sum = 0;
	bpf_iter_num_new(&it, 2, 6);
	while ((p = bpf_iter_num_next(&it)))
		sum += *p;
	bpf_iter_num_destroy(&it);
	CHECK(sum == 14);
	for (u32 i = 0; i < 10; i++) {
		u32 key = i;
		u64 v = i;

		bpf_map_update_elem(&numbers, &key, &v, 0);
	}
	sum = 0;
	CHECK(bpf_for_each_map_elem(&numbers, add_value, &sum, 0) == 8);
	CHECK(sum == 28);
	return 0;
}

struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("syscall")
int test_ringbuf(void *ctx)
{
	u64 *e, before = bpf_ringbuf_query(&events, 0);

	for (int i = 0; i < 3; i++) {
		e = bpf_ringbuf_reserve(&events, 16, 0);
		if (!e)
			return __LINE__;
		e[0] = i;
		e[1] = 0;
		if (i == 1)
			bpf_ringbuf_discard(e, 0);
		else
			bpf_ringbuf_submit(e, 0);
	}
	CHECK(bpf_ringbuf_query(&events, 0) - before == 72);
	e = bpf_ringbuf_reserve(&events, 4096, 0);
	if (e) {
		bpf_ringbuf_discard(e, 0);
		return __LINE__;
	}
	return 0;
}

struct blob {
	char data[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct blob);
} blobs SEC(".maps");

SEC("syscall")
int test_dynptr(void *ctx)
{
	u32 zero = 0;
	struct blob *b = bpf_map_lookup_elem(&blobs, &zero);
	struct bpf_dynptr d;
	u64 v = 0x1122334455667788, w = 0;
	char buf[8], *s;

	if (!b)
		return __LINE__;
	CHECK(!bpf_dynptr_from_mem(b, sizeof(*b), 0, &d));
	CHECK(!bpf_dynptr_write(&d, 8, &v, sizeof(v), 0));
	CHECK(bpf_dynptr_write(&d, 60, &v, sizeof(v), 0) == -7);
	CHECK(!bpf_dynptr_read(&w, sizeof(w), &d, 8, 0));
	CHECK(v == w);
	CHECK(!bpf_dynptr_adjust(&d, 8, 16));
	CHECK(bpf_dynptr_size(&d) == 8);
	s = bpf_dynptr_slice(&d, 0, buf, sizeof(buf));
	if (!s)
		return __LINE__;
	CHECK(s[0] == (char)0x88);
	return 0;
}

SEC("syscall")
int test_strings(void *ctx)
{
	static const char fmt[] = "%d-%s-%x", name[] = "abc";
	char out[32] = {}, digits[8] = "-123xyz";
	const char *str = name;
	u64 args[3] = {42, 0, 255};
	long v = 0;

	asm volatile("" : "+r"(str)); /* or its address becomes data, which nobody relocates */
	args[1] = (u64)str;

	CHECK(bpf_snprintf(out, sizeof(out), fmt, args, sizeof(args)) == 10);
	CHECK(!bpf_strncmp(out, 10, "42-abc-ff"));
	CHECK(bpf_strncmp(out, 10, "42-abd-ff") < 0);
	CHECK(bpf_strtol(digits, sizeof(digits), 10, &v) == 4);
	CHECK(v == -123);
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} percpu SEC(".maps");

struct {
	__uint(type, 22);
	__uint(max_entries, 3);
	__type(value, u32);
} queue SEC(".maps");

SEC("syscall")
int test_maps(void *ctx)
{
	u32 zero = 0, v;
	u64 *mine = bpf_map_lookup_elem(&percpu, &zero), *same;

	if (!mine)
		return __LINE__;
	(*mine)++;
	same = bpf_map_lookup_percpu_elem(&percpu, &zero, bpf_get_smp_processor_id());
	CHECK(same == mine);
	CHECK(!bpf_map_lookup_percpu_elem(&percpu, &zero, 1 << 20));
	for (v = 1; v <= 3; v++)
		CHECK(!bpf_map_push_elem(&queue, &v, 0));
	CHECK(bpf_map_push_elem(&queue, &v, 0) == -7);
	CHECK(!bpf_map_push_elem(&queue, &v, 2)); /* the oldest makes room */
	CHECK(!bpf_map_peek_elem(&queue, &v));
	CHECK(v == 2);
	for (u32 i = 2; i <= 4; i++) {
		CHECK(!bpf_map_pop_elem(&queue, &v));
		CHECK(v == i);
	}
	CHECK(bpf_map_pop_elem(&queue, &v) == -2);
	return 0;
}

struct {
	__uint(type, 3);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__uint(value_size, 4);
} jumps SEC(".maps");

SEC("xdp")
int target(void *ctx)
{
	return 77;
}

SEC("xdp")
int test_tailcall(void *ctx)
{
	bpf_tail_call(ctx, &jumps, 1); /* empty: goes on */
	bpf_tail_call(ctx, &jumps, 0);
	return __LINE__;
}

u64 counter;

static __noinline int deeper(u64 n)
{
	counter++;
	if (n > 3)
		bpf_throw(0);
	return n;
}

SEC("syscall")
int test_throw(void *ctx)
{
	u32 r = bpf_get_prandom_u32() | 8;

	deeper(1);
	deeper(r);
	return __LINE__;
}
