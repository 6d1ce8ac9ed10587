// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A FIFO whose packets are owned by a list under a lock: what the qdisc model is tested with. */
#include <modbpf/core.h>

#define __kptr __attribute__((btf_type_tag("kptr")))
#define __contains(type, node) __attribute__((btf_decl_tag("contains:" #type ":" #node)))
#define container_of(ptr, type, member) ((type *)((void *)(ptr) - __builtin_offsetof(type, member)))

struct bpf_spin_lock { u32 val; };
struct bpf_list_head { u64 __opaque[2]; } __attribute__((aligned(8)));
struct bpf_list_node { u64 __opaque[3]; } __attribute__((aligned(8)));
struct bpf_sk_buff_ptr { struct sk_buff *skb; };

KERNEL_TYPES_BEGIN
struct sk_buff {
	u32 len;
};
struct qdisc_skb_head {
	u32 qlen;
};
struct gnet_stats_queue {
	u32 qlen, backlog, drops;
};
struct Qdisc {
	u32 limit;
	struct qdisc_skb_head q;
	struct gnet_stats_queue qstats;
};
struct Qdisc_ops {
	int (*enqueue)(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free);
	struct sk_buff *(*dequeue)(struct Qdisc *sch);
	int (*init)(struct Qdisc *sch, void *opt, void *extack);
	void (*reset)(struct Qdisc *sch);
	void (*destroy)(struct Qdisc *sch);
	char id[16];
};
KERNEL_TYPES_END

static long (*const bpf_spin_lock)(struct bpf_spin_lock *lock) = (void *)93;
static long (*const bpf_spin_unlock)(struct bpf_spin_lock *lock) = (void *)94;
static void *(*const bpf_kptr_xchg)(void *dst, void *ptr) = (void *)194;

extern void *bpf_obj_new_impl(u64 local_type_id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *kptr, void *meta) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, u64 off) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;
extern void bpf_kfree_skb(struct sk_buff *skb) __ksym;
extern void bpf_qdisc_skb_drop(struct sk_buff *skb, struct bpf_sk_buff_ptr *to_free) __ksym;
extern void bpf_qdisc_bstats_update(struct Qdisc *sch, const struct sk_buff *skb) __ksym;

#define obj_new(type) ((type *)bpf_obj_new_impl(__builtin_btf_type_id(*(type *)0, 0), NULL))

struct packet {
	struct bpf_list_node node;
	struct sk_buff __kptr *skb;
};

struct queue {
	struct bpf_spin_lock lock;
	struct bpf_list_head head __contains(packet, node);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct queue);
} queues SEC(".maps");

static __always_inline struct queue *the_queue(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&queues, &zero);
}

SEC("struct_ops/fifo_enqueue")
int fifo_enqueue(u64 *args)
{
	struct sk_buff *skb = (void *)args[0];
	struct Qdisc *sch = (void *)args[1];
	struct bpf_sk_buff_ptr *to_free = (void *)args[2];
	struct queue *q = the_queue();
	struct packet *p;
	u32 len = skb->len;

	if (!q || sch->q.qlen >= sch->limit)
		goto drop;
	p = obj_new(struct packet);
	if (!p)
		goto drop;
	skb = bpf_kptr_xchg(&p->skb, skb);
	if (skb)
		bpf_qdisc_skb_drop(skb, to_free);
	bpf_spin_lock(&q->lock);
	bpf_list_push_back_impl(&q->head, &p->node, NULL, 0);
	bpf_spin_unlock(&q->lock);
	sch->q.qlen++;
	sch->qstats.backlog += len;
	return 0;
drop:
	sch->qstats.drops++;
	bpf_qdisc_skb_drop(skb, to_free);
	return 1;
}

static __always_inline struct sk_buff *take(void)
{
	struct queue *q = the_queue();
	struct bpf_list_node *n;
	struct sk_buff *skb;
	struct packet *p;

	if (!q)
		return NULL;
	bpf_spin_lock(&q->lock);
	n = bpf_list_pop_front(&q->head);
	bpf_spin_unlock(&q->lock);
	if (!n)
		return NULL;
	p = container_of(n, struct packet, node);
	skb = bpf_kptr_xchg(&p->skb, NULL);
	bpf_obj_drop_impl(p, NULL);
	return skb;
}

SEC("struct_ops/fifo_dequeue")
struct sk_buff *fifo_dequeue(u64 *args)
{
	struct Qdisc *sch = (void *)args[0];
	struct sk_buff *skb = take();

	if (!skb)
		return NULL;
	sch->q.qlen--;
	sch->qstats.backlog -= skb->len;
	bpf_qdisc_bstats_update(sch, skb);
	return skb;
}

SEC("struct_ops/fifo_init")
int fifo_init(u64 *args)
{
	return 0;
}

SEC("struct_ops/fifo_reset")
void fifo_reset(u64 *args)
{
	struct Qdisc *sch = (void *)args[0];

	for (int i = 0; i < 100; i++) {
		struct sk_buff *skb = take();

		if (!skb)
			break;
		bpf_kfree_skb(skb);
	}
	sch->q.qlen = 0;
	sch->qstats.backlog = 0;
}

SEC("struct_ops/fifo_destroy")
void fifo_destroy(u64 *args)
{
}

SEC(".struct_ops.link") struct Qdisc_ops fifo = {
	.enqueue = (void *)fifo_enqueue,
	.dequeue = (void *)fifo_dequeue,
	.init = (void *)fifo_init,
	.reset = (void *)fifo_reset,
	.destroy = (void *)fifo_destroy,
	.id = "test_fifo",
};

LICENSE("GPL");
