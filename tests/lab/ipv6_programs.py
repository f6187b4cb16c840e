# SPDX-License-Identifier: BSD-2-Clause
"""Real programs over IPv6: vsftpd with curl and lftp, iperf3 with the kernel's default offloads; Debian's ldirectord.

FTP has two modes here, EPSV and EPRT: the addresses of PASV and PORT have four bytes."""
import ftp
import ldirectord
import offloads
from case import over_ipv6

over_ipv6("ipv6_programs",
          ftp.files_go_down_and_up_passively_by_direct_routing,
          ftp.files_go_down_and_up_passively_through_a_tunnel,
          ftp.files_go_down_and_up_actively_by_direct_routing,
          ftp.files_go_down_and_up_in_all_modes_through_nat,
          ftp.folders_go_down_and_up_by_lftp_through_nat_over_several_connections_at_once,
          ftp.by_one_arm_ftp_works_passively_and_actively_as_well,
          ftp.passive_ports_that_no_service_names_are_opened_through_nat,
          offloads.by_direct_routing_super_frames_arrive_whole_and_nothing_is_sent_twice,
          offloads.through_nat_super_frames_arrive_whole_both_ways_and_nothing_is_sent_twice,
          offloads.through_a_tunnel_super_frames_are_cut_right_and_nothing_is_sent_twice,
          offloads.by_direct_routing_every_checksum_is_right_behind_a_card_without_offloads,
          offloads.through_nat_every_checksum_is_right_both_ways_behind_cards_without_offloads,
          offloads.through_a_tunnel_every_checksum_is_right,
          offloads.plain_sockets_carry_super_frames_whole_as_well,
          offloads.by_af_xdp_nothing_is_lost_by_direct_routing,
          offloads.by_af_xdp_nothing_is_lost_through_nat,
          ldirectord.ldirectord_makes_the_table_quiesces_dead_servers_and_uses_the_fallback,
          ldirectord.ldirectord_removes_and_adds_the_servers_of_a_mark_without_quiescing)
