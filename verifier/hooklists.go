// SPDX-License-Identifier: Apache-2.0

package verifier

import "github.com/modbpf/modbpf/kfuncs"

// Facts about attach targets that BTF does not tell, read from the kernel's
// kernel/bpf/btf.c and ALLOW_ERROR_INJECTION uses (6.12, 7.3). Lists that changed
// from release to release are sets of package kfuncs.

// inSet reports whether a list of the kernel's source holds a name.
func (e *env) inSet(set, name string) bool { return kfuncs.InSet(e.k.Release(), set, name) }

// errorInjection are functions whose result programs may change and in which they may sleep,
// besides system calls.
var errorInjection = names(`
__filemap_add_folio __fw_domain_init __uc_init bpf_testmod_test_read bpf_testmod_test_write btrfs_check_leaf
btrfs_check_node btrfs_cow_block btrfs_search_slot btrfs_should_cancel_balance guc_wait_ucode
i915_driver_early_probe i915_driver_hw_probe i915_driver_mmio_probe i915_pci_probe intel_connector_register
intel_display_driver_probe_noirq intel_engines_init_mmio intel_gt_init intel_guc_ct_init io_ctl_init
mtd_block_markbad mtd_erase mtd_read mtd_write nsim_setup_tc open_ctree page_pool_alloc_netmems
page_pool_alloc_pages should_fail_alloc_page should_fail_bio should_fail_net_realloc_skb should_failslab
ssh_ptl_should_corrupt_rx_data ssh_ptl_should_corrupt_rx_syn ssh_ptl_should_corrupt_tx_data
ssh_ptl_should_drop_ack_packet ssh_ptl_should_drop_dsq_packet ssh_ptl_should_drop_nak_packet
ssh_ptl_should_fail_write ssh_rtl_should_drop_response uc_fw_rsa_data_create vm_bind_ioctl_ops_create
vm_bind_ioctl_ops_execute xe_add_hw_engine_class_defaults xe_device_create xe_device_probe_early
xe_exec_queue_create xe_exec_queue_create_bind xe_ggtt_init_early xe_guc_ads_init xe_guc_ct_init
xe_guc_ct_init_noalloc xe_guc_ct_send_recv xe_guc_log_init xe_guc_mmio_send_recv xe_guc_relay_init
xe_hw_engine_group_add_exec_queue xe_is_injection_active xe_mmio_probe_early xe_oa_alloc_regs
xe_pcode_probe_early xe_pm_init_early xe_pt_create xe_pt_update_ops_prepare xe_pt_update_ops_run
xe_pxp_exec_queue_add xe_sriov_init xe_sync_entry_parse xe_tile_init_early xe_tuning_init xe_uc_fw_init
xe_vm_add_compute_exec_queue xe_vm_create_scratch xe_vma_ops_alloc xe_wa_gt_init xe_wopcm_init
`)

// rawTPNull says which arguments of a raw tracepoint may be null (bit 4*i) or an
// error code (bit 4*i+1).
var rawTPNull = map[string]uint64{
	"sched_pi_setprio":                      0x10,
	"sched_process_wait":                    0x1,
	"sched_stick_numa":                      0x100,
	"sched_swap_numa":                       0x100,
	"afs_make_fs_call":                      0x10,
	"afs_make_fs_calli":                     0x10,
	"afs_make_fs_call1":                     0x10,
	"afs_make_fs_call2":                     0x10,
	"afs_protocol_error":                    0x1,
	"afs_flock_ev":                          0x10,
	"cachefiles_lookup":                     0x201,
	"cachefiles_unlink":                     0x1,
	"cachefiles_rename":                     0x1,
	"cachefiles_prep_read":                  0x1,
	"cachefiles_mark_active":                0x1,
	"cachefiles_mark_failed":                0x1,
	"cachefiles_mark_inactive":              0x1,
	"cachefiles_vfs_error":                  0x1,
	"cachefiles_io_error":                   0x1,
	"ext4_mballoc_discard":                  0x10,
	"ext4_mballoc_free":                     0x10,
	"fib_table_lookup":                      0x100,
	"posix_lock_inode":                      0x10,
	"fcntl_setlk":                           0x10,
	"locks_remove_posix":                    0x10,
	"flock_lock_inode":                      0x10,
	"break_lease_noblock":                   0x10,
	"break_lease_block":                     0x10,
	"break_lease_unblock":                   0x10,
	"generic_delete_lease":                  0x10,
	"time_out_leases":                       0x10,
	"host1x_cdma_push_gather":               0x10000,
	"mm_khugepaged_scan_pmd":                0x10,
	"mm_collapse_huge_page_isolate":         0x1,
	"mm_khugepaged_scan_file":               0x10,
	"mm_khugepaged_collapse_file":           0x10,
	"mm_page_alloc":                         0x1,
	"mm_page_pcpu_drain":                    0x1,
	"mm_page_alloc_zone_locked":             0x1,
	"netfs_failure":                         0x10,
	"device_pm_callback_start":              0x10,
	"qdisc_dequeue":                         0x1000,
	"rxrpc_recvdata":                        0x1,
	"rxrpc_resend":                          0x10,
	"rxrpc_tq":                              0x10,
	"rxrpc_client":                          0x1,
	"signal_generate":                       0x20,
	"signal_deliver":                        0x20,
	"kfree_skb":                             0x1000,
	"xs_stream_read_data":                   0x1,
	"xprt_reserve_cong":                     0x10,
	"xprt_release_cong":                     0x10,
	"xprt_get_cong":                         0x10,
	"xprt_put_cong":                         0x10,
	"tcp_send_reset":                        0x11,
	"tcp_sendmsg_locked":                    0x100,
	"tegra_dma_tx_status":                   0x100,
	"tmigr_update_events":                   0x1,
	"writeback_dirty_folio":                 0x10,
	"folio_wait_writeback":                  0x10,
	"mr_integ_alloc":                        0x2000,
	"bpf_testmod_test_read":                 0x0,
	"amdgpu_vm_bo_map":                      0x1,
	"amdgpu_vm_bo_unmap":                    0x1,
	"netfs_folioq":                          0x1,
	"xfs_defer_create_intent":               0x1,
	"xfs_defer_cancel_list":                 0x1,
	"xfs_defer_pending_finish":              0x1,
	"xfs_defer_pending_abort":               0x1,
	"xfs_defer_relog_intent":                0x1,
	"xfs_defer_isolate_paused":              0x1,
	"xfs_defer_item_pause":                  0x1,
	"xfs_defer_item_unpause":                0x1,
	"xfs_defer_add_item":                    0x1,
	"xfs_defer_cancel_item":                 0x1,
	"xfs_defer_finish_item":                 0x1,
	"xfs_ioc_free_eofblocks":                0x10,
	"xfs_blockgc_free_space":                0x10,
	"xfs_btree_updkeys":                     0x100,
	"xfs_btree_overlapped_query_range":      0x100,
	"xfs_map_blocks_found":                  0x10000,
	"xfs_map_blocks_alloc":                  0x10000,
	"xfs_iomap_alloc":                       0x1000,
	"xfs_iomap_found":                       0x1000,
	"xfs_inodegc_flush":                     0x1,
	"xfs_inodegc_push":                      0x1,
	"xfs_inodegc_start":                     0x1,
	"xfs_inodegc_stop":                      0x1,
	"xfs_inodegc_queue":                     0x1,
	"xfs_inodegc_throttle":                  0x1,
	"xfs_fs_sync_fs":                        0x1,
	"xfs_blockgc_start":                     0x1,
	"xfs_blockgc_stop":                      0x1,
	"xfs_blockgc_worker":                    0x1,
	"xfs_blockgc_flush_all":                 0x1,
	"xchk_nlinks_live_update":               0x10,
	"xchk_metapath_lookup":                  0x100,
	"nfsd_dirent":                           0x1,
	"nfsd_file_acquire":                     0x1001,
	"nfsd_file_insert_err":                  0x1,
	"nfsd_file_cons_err":                    0x1,
	"nfs4_setup_sequence":                   0x1,
	"pnfs_update_layout":                    0x10000,
	"nfs4_inode_callback_event":             0x200,
	"nfs4_inode_stateid_callback_event":     0x200,
	"pnfs_mds_fallback_pg_init_read":        0x10000,
	"pnfs_mds_fallback_pg_init_write":       0x10000,
	"pnfs_mds_fallback_pg_get_mirror_count": 0x10000,
	"pnfs_mds_fallback_read_done":           0x10000,
	"pnfs_mds_fallback_write_done":          0x10000,
	"pnfs_mds_fallback_read_pagelist":       0x10000,
	"pnfs_mds_fallback_write_pagelist":      0x10000,
	"coda_dec_pic_run":                      0x10,
	"coda_dec_pic_done":                     0x10,
	"cfg80211_scan_done":                    0x11,
	"rdev_set_coalesce":                     0x10,
	"cfg80211_report_wowlan_wakeup":         0x100,
	"cfg80211_inform_bss_frame":             0x100,
	"cfg80211_michael_mic_failure":          0x10000,
	"wiphy_work_queue":                      0x10,
	"wiphy_work_run":                        0x10,
	"wiphy_work_cancel":                     0x10,
	"wiphy_work_flush":                      0x10,
	"hugetlbfs_alloc_inode":                 0x10,
	"spufs_context":                         0x10,
	"kvm_page_fault_enter":                  0x100,
	"dpu_crtc_setup_mixer":                  0x100,
	"binder_transaction":                    0x100,
	"btree_path_free":                       0x100,
	"hfi1_sdma_progress":                    0x1000,
	"iptfs_ingress_postq_event":             0x1000,
	"neigh_update":                          0x10,
	"amdtp_packet":                          0x100,
}

// iterArgs are the arguments of iterator targets beyond the meta data: kind and
// trust of each member of struct bpf_iter__<target>.
var iterArgs = map[string]map[string]RegType{
	"ksym":               {"ksym": ptrToBTFID | maybeNull},
	"bpf_prog":           {"prog": ptrToBTFID | maybeNull},
	"cgroup":             {"cgroup": ptrToBTFID | maybeNull | ptrTrusted},
	"kmem_cache":         {"s": ptrToBTFID | maybeNull | ptrTrusted},
	"task":               {"task": ptrToBTFID | maybeNull | ptrTrusted},
	"task_file":          {"task": ptrToBTFID | maybeNull, "file": ptrToBTFID | maybeNull},
	"task_vma":           {"task": ptrToBTFID | maybeNull, "vma": ptrToBTFID | maybeNull},
	"bpf_map":            {"map": ptrToBTFID | maybeNull | ptrTrusted},
	"bpf_map_elem":       {"key": ptrToBuf | maybeNull | memRdonly, "value": ptrToBuf | maybeNull},
	"dmabuf":             {"dmabuf": ptrToBTFID | maybeNull},
	"bpf_link":           {"link": ptrToBTFID | maybeNull},
	"netlink":            {"sk": ptrToBTFID | maybeNull},
	"ipv6_route":         {"rt": ptrToBTFID | maybeNull},
	"sockmap":            {"key": ptrToBuf | maybeNull | memRdonly, "sk": ptrToBTFID | maybeNull},
	"bpf_sk_storage_map": {"sk": ptrToBTFID | maybeNull, "value": ptrToBuf | maybeNull},
	"unix":               {"unix_sk": ptrToBTFID | maybeNull},
	"tcp":                {"sk_common": ptrToBTFID | maybeNull | ptrTrusted},
	"udp":                {"udp_sk": ptrToBTFID | maybeNull | ptrTrusted},
}

// nameList is a list of names, looked up without allocating.
type nameList map[string]struct{}

func (l nameList) has(s string) bool { _, ok := l[s]; return ok }

func names(s string) nameList {
	l := nameList{}
	start := -1
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] > ' ' {
			if start < 0 {
				start = i
			}
		} else if start >= 0 {
			l[s[start:i]] = struct{}{}
			start = -1
		}
	}
	return l
}
