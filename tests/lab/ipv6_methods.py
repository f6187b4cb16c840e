# SPDX-License-Identifier: BSD-2-Clause
"""IPv6 by each method and each back end: what NAT, tunnels and direct routing do for IPv4, once more."""
import back_ends
import nat
import tunnel
from case import over_ipv6

over_ipv6("ipv6_methods",
          nat.a_thousand_parallel_requests_to_servers_inside_on_another_port_are_all_answered_by_weight,
          nat.fifty_megabytes_go_up_and_down_unchanged_through_nat,
          nat.servers_on_the_lan_with_the_director_as_gateway_are_served_by_one_arm,
          nat.connections_past_the_service_are_routed_by_the_kernel_at_the_same_time,
          nat.a_server_inside_that_asks_the_world_itself_is_routed_by_the_kernel,
          nat.servers_behind_a_router_are_reached_by_the_kernels_routes_as_they_change,
          nat.names_are_asked_by_udp_and_tcp_through_nat,
          nat.a_server_whose_program_is_killed_refuses_and_the_others_serve_when_it_is_quiesced,
          nat.a_director_killed_under_nat_leaves_the_kernels_routing_to_others_as_it_was,
          tunnel.a_thousand_parallel_requests_to_servers_on_the_lan_are_all_answered_by_weight,
          tunnel.fifty_megabytes_go_up_and_down_unchanged_through_a_tunnel,
          tunnel.servers_behind_a_router_are_reached_by_the_kernels_routes_as_they_change,
          tunnel.servers_behind_a_router_on_the_inside_are_reached_from_the_inside_address,
          tunnel.gre_carries_it_as_well,
          tunnel.gre_with_a_checksum_carries_it_as_well,
          tunnel.gue_carries_it_as_well,
          tunnel.gue_with_a_checksum_carries_it_as_well,
          tunnel.names_are_asked_by_udp_and_tcp_through_a_tunnel,
          tunnel.names_are_asked_by_udp_and_tcp_by_direct_routing,
          tunnel.all_three_methods_serve_one_service_together,
          back_ends.two_thousand_requests_are_answered,
          back_ends.nat_serves_a_thousand_requests_on_another_port_and_the_kernel_sees_none,
          back_ends.large_files_pass_unchanged_by_direct_routing_with_default_offloads,
          back_ends.large_files_pass_unchanged_through_nat_with_default_offloads,
          back_ends.fragmented_answers_of_nat_servers_arrive_whole,
          back_ends.the_host_itself_still_talks_to_its_servers)
