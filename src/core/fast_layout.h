/* SPDX-License-Identifier: BSD-2-Clause */
/* fast_layout.h: memory that the director writes (fast_flows.h) and a program in the kernel reads, packet by packet
 * (sys/io/fast_path.bpf.c); what that has seen it writes there, too. For a C compiler for BPF, and for C++.
 *
 * A flow is complete before a cell names it, and the program reads the cell first, then the flow behind it. A flow
 * whose cell is gone is not used again for a while: a program that has just read the cell is done with it then.
 * Addresses, ports and MAC addresses are as on the wire, all else in the host's order.
 */
#ifndef RAWVS_CORE_FAST_LAYOUT_H
#define RAWVS_CORE_FAST_LAYOUT_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#else
#include <stdint.h>
#endif

enum {
  FAST_CELLS = 16,      /* in a bucket, which is a cache line */
  FAST_OWNS = 256,      /* our MAC addresses, each on one link */
  FAST_ID_BITS = 24,    /* of a cell: the flow's number; above it 8 bits of the hash. A cell of 0: no flow */
  FAST_SEEN_SHIFT = 24, /* times are in units of 2^24 ns (17 ms) since boot */
};

enum {                   /* what becomes of a flow's packets */
       FAST_ROUTE = 1,   /* requests get other MAC addresses; no replies come */
       FAST_NAT = 2,     /* requests get another destination, replies another source */
       FAST_FULLNAT = 3, /* both, in both directions */
};

struct fast_head {
  uint32_t on;          /* 0: every frame goes to the director */
  uint32_t bucket_mask; /* number of buckets, less one */
  uint64_t key[2];      /* of the hash */
};

struct fast_bucket {
  uint32_t cell[FAST_CELLS];
};

struct fast_flow {
  uint32_t client4, vip4, server4, local4; /* of IPv4. local: the client as the server sees it */
  uint16_t cport, vport, rport, lport;
  uint8_t family; /* 4, 6 */
  uint8_t protocol, method;
  uint8_t own_in, own_out; /* places in owns: to whom requests and replies are addressed */
  uint8_t one_mac;         /* 1: requests come from client_mac, or go to the director */
  uint16_t server;         /* place in servers */
  uint16_t link;           /* place in hops: the client's link */
  uint8_t client_mac[6];
  /* Written by the program: */
  uint32_t seen;                     /* when the last packet passed */
  uint32_t next_client, next_server; /* TCP: each side's next sequence number; 0: not known */
  uint32_t requests;                 /* packets, modulo 2^32 */
  uint32_t zero1[2];
  /* The second cache line: of IPv6. */
  uint32_t client6[4], vip6[4], server6[4], local6[4];
};

struct fast_server {
  uint16_t on;  /* 0: its packets go to the director */
  uint16_t hop; /* place in hops */
  uint16_t mtu; /* bytes of an IP packet: the least of route and path */
  uint16_t zero;
};

struct fast_hop {
  uint8_t to[6], from[6]; /* MAC addresses; of a client's link only `from` */
  uint16_t mtu;           /* of the link */
  uint16_t on;            /* 0: packets this way go to the director */
  uint32_t ifindex;
  uint32_t zero[3];
};

struct fast_own {
  uint8_t mac[6];
  uint16_t zero;
  uint32_t ifindex; /* 0: none */
  uint32_t zero1;
};

struct fast_counts { /* of a server on one processor */
  uint64_t in_packets, in_bytes, out_packets, out_bytes;
};

#endif
