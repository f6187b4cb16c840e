// SPDX-License-Identifier: BSD-2-Clause
// fast_path.bpf.c: forwards packets of connections that the director has decided about; all others it leaves alone.
//
// fast_path runs on an interface's ingress, fast_tap in front of a packet socket there, which sees each frame first.
// Both come to the same answer by the same look-up: what the tap keeps from the director, the other one forwards. The
// director may change a flow in between, which costs or doubles one packet.
#include <linux/bpf.h>
//
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "core/fast_layout.h"

#define MEMORY(name, of)               \
  struct {                             \
    __uint(type, BPF_MAP_TYPE_ARRAY);  \
    __uint(map_flags, BPF_F_MMAPABLE); \
    __uint(max_entries, 1);            \
    __type(key, __u32);                \
    __type(value, struct of);          \
  } name SEC(".maps")

// The director sets their sizes before it loads the programs.
MEMORY(head, fast_head);
MEMORY(buckets, fast_bucket);
MEMORY(flows, fast_flow);
MEMORY(servers, fast_server);
MEMORY(hops, fast_hop);
MEMORY(owns, fast_own);
MEMORY(counts, fast_counts);

// Its first program is fast_tap: packet sockets' filters (tap_filter.h) go on with it.
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} taps SEC(".maps");

const volatile __u32 most_servers = 1;  // of one processor's counts

char licence[] SEC("license") = "Dual BSD/GPL";

enum {
  ETH_SIZE = 14,
  ETH_IPV4 = 0x0800,
  ETH_IPV6 = 0x86dd,
  IPV4_SIZE = 20,
  IPV6_SIZE = 40,
  PROTO_TCP = 6,
  PROTO_UDP = 17,
  PROTO_SCTP = 132,
  TCP_SIZE = 20,
  UDP_SIZE = 8,
  TCP_FIN = 1,
  TCP_SYN = 2,
  TCP_RST = 4,
  TCP_ACK = 16,
  TCP_URG = 32,
  TCX_NEXT = -1,
  TCX_DROP = 2,
  UNSEEN = 1 << 22,  // next_numbers.h: how much of a sender's data may pass unseen
};

struct packet {          // what the look-up needs of a frame
  __u32 src[4], dst[4];  // of IPv4 the first word
  __u16 sport, dport;
  __u8 family, protocol;
  __u16 l4_at;      // where the transport's header is in the frame
  __u32 ip_size;    // bytes of the IP packet; of a super-frame of all
  __u32 longest;    // of the longest packet on the wire
  __u32 seq, next;  // TCP: this segment's number, and the one after it
  __u8 eth_to[6], eth_from[6];
};

struct way {  // how it goes on
  struct fast_flow* flow;
  struct fast_server* server;  // of a request
  struct fast_hop* hop;
  __u32 is_reply;
};

#define LOAD(skb, at, to) (bpf_skb_load_bytes(skb, at, &(to), sizeof(to)) == 0)

static __always_inline int read_tcp(struct __sk_buff* skb, struct packet* p, __u32 l4_size) {
  struct {
    __u16 sport, dport;
    __u32 seq, ack;
    __u8 offset, flags;
    __u16 window;
  } tcp;
  if (l4_size < TCP_SIZE || !LOAD(skb, p->l4_at, tcp)) return 0;
  const __u32 header = (tcp.offset >> 4) * 4u;
  if (header < TCP_SIZE || header > l4_size) return 0;
  if ((tcp.flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_URG)) != 0 || (tcp.flags & TCP_ACK) == 0) return 0;
  p->sport = tcp.sport;
  p->dport = tcp.dport;
  p->seq = bpf_ntohl(tcp.seq);
  p->next = p->seq + (l4_size - header);
  if (skb->gso_size != 0) p->longest = p->l4_at - ETH_SIZE + header + skb->gso_size;
  return 1;
}

static __always_inline int read_udp(struct __sk_buff* skb, struct packet* p, __u32 l4_size) {
  struct {
    __u16 sport, dport, size, sum;
  } udp;
  if (l4_size < UDP_SIZE || !LOAD(skb, p->l4_at, udp)) return 0;
  if (skb->gso_size == 0 && (bpf_ntohs(udp.size) < UDP_SIZE || bpf_ntohs(udp.size) > l4_size)) return 0;
  p->sport = udp.sport;
  p->dport = udp.dport;
  if (skb->gso_size != 0) p->longest = p->l4_at - ETH_SIZE + UDP_SIZE + skb->gso_size;
  return 1;
}

static __always_inline int read_ports(struct __sk_buff* skb, struct packet* p) {
  const __u32 l4_size = p->ip_size - (p->l4_at - ETH_SIZE);
  p->longest = p->ip_size;
  if (p->protocol == PROTO_TCP) return read_tcp(skb, p, l4_size);
  if (p->protocol == PROTO_UDP) return read_udp(skb, p, l4_size);
  return 0;
}

static __always_inline __u16 sum_of(const __u16* words, int count) {
  __u32 sum = 0;
  for (int i = 0; i < count; ++i) sum += words[i];
  sum = (sum & 0xffff) + (sum >> 16);
  sum += sum >> 16;
  return (__u16)~sum;
}

static __always_inline int read_ipv4(struct __sk_buff* skb, struct packet* p) {
  union {
    struct {
      __u8 version_size, tos;
      __u16 size, id, fragment;
      __u8 ttl, protocol;
      __u16 sum;
      __u32 src, dst;
    } h;
    __u16 words[IPV4_SIZE / 2];
  } ip;
  if (!LOAD(skb, ETH_SIZE, ip)) return 0;
  if (ip.h.version_size != 0x45 || ip.h.ttl <= 1 || (ip.h.fragment & bpf_htons(0x3fff)) != 0) return 0;
  if (sum_of(ip.words, IPV4_SIZE / 2) != 0) return 0;
  const __u32 there = skb->len - ETH_SIZE;
  p->ip_size = bpf_ntohs(ip.h.size);
  if (p->ip_size < IPV4_SIZE || p->ip_size > there) return 0;
  p->family = 4;
  p->protocol = ip.h.protocol;
  p->l4_at = ETH_SIZE + IPV4_SIZE;
  p->src[0] = ip.h.src;
  p->dst[0] = ip.h.dst;
  return read_ports(skb, p);
}

static __always_inline int read_ipv6(struct __sk_buff* skb, struct packet* p) {
  struct {
    __u32 first;
    __u16 size;
    __u8 next, hops;
    __u32 src[4], dst[4];
  } ip;
  if (!LOAD(skb, ETH_SIZE, ip)) return 0;
  if ((ip.first & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000) || ip.hops <= 1) return 0;
  const __u32 there = skb->len - ETH_SIZE;
  p->ip_size = IPV6_SIZE + bpf_ntohs(ip.size);
  if (p->ip_size > there) return 0;
  p->family = 6;
  p->protocol = ip.next;
  p->l4_at = ETH_SIZE + IPV6_SIZE;
  __builtin_memcpy(p->src, ip.src, sizeof p->src);
  __builtin_memcpy(p->dst, ip.dst, sizeof p->dst);
  return read_ports(skb, p);
}

static __always_inline int read_packet(struct __sk_buff* skb, struct packet* p) {
  struct {
    __u8 to[6], from[6];
    __u16 type;
  } eth;
  if (skb->vlan_present || !LOAD(skb, 0, eth)) return 0;
  __builtin_memcpy(p->eth_to, eth.to, sizeof p->eth_to);
  __builtin_memcpy(p->eth_from, eth.from, sizeof p->eth_from);
  if (eth.type == bpf_htons(ETH_IPV4)) return read_ipv4(skb, p);
  if (eth.type == bpf_htons(ETH_IPV6)) return read_ipv6(skb, p);
  return 0;
}

// SipHash-1-3, as core/siphash.h has it.
#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))
#define ROUND(v)                                                                  \
  do {                                                                            \
    v[0] += v[1], v[1] = ROTATE(v[1], 13), v[1] ^= v[0], v[0] = ROTATE(v[0], 32); \
    v[2] += v[3], v[3] = ROTATE(v[3], 16), v[3] ^= v[2];                          \
    v[0] += v[3], v[3] = ROTATE(v[3], 21), v[3] ^= v[0];                          \
    v[2] += v[1], v[1] = ROTATE(v[1], 17), v[1] ^= v[2], v[2] = ROTATE(v[2], 32); \
  } while (0)

static __always_inline void take(__u64* v, __u64 word) {
  v[3] ^= word;
  ROUND(v);
  v[0] ^= word;
}

static __always_inline __u64 two(const __u32* words) { return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]); }

static __always_inline __u64 hash_of(const struct fast_head* h, const struct packet* p) {
  __u64 v[4] = {h->key[0] ^ 0x736f6d6570736575u, h->key[1] ^ 0x646f72616e646f6du, h->key[0] ^ 0x6c7967656e657261u,
                h->key[1] ^ 0x7465646279746573u};
  const __u64 n = (__u64)bpf_ntohs(p->sport) << 24 | (__u64)bpf_ntohs(p->dport) << 8 | p->protocol;
  if (p->family == 4) {
    take(v, (__u64)bpf_ntohl(p->src[0]) << 32 | bpf_ntohl(p->dst[0]));
    take(v, n);
    take(v, (__u64)16 << 56);
  } else {
    take(v, two(p->src)), take(v, two(p->src + 2)), take(v, two(p->dst)), take(v, two(p->dst + 2));
    take(v, n);
    take(v, (__u64)40 << 56);
  }
  v[2] ^= 0xff;
  ROUND(v);
  ROUND(v);
  ROUND(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static __always_inline int same(const __u32* a, const __u32* b) {
  return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
}

static __always_inline int is_request(const struct fast_flow* f, const struct packet* p) {
  if (f->cport != p->sport || f->vport != p->dport) return 0;
  if (p->family == 4) return f->client4 == p->src[0] && f->vip4 == p->dst[0];
  return same(f->client6, p->src) && same(f->vip6, p->dst);
}

static __always_inline int is_reply(const struct fast_flow* f, const struct packet* p) {
  if (f->method == FAST_ROUTE || f->rport != p->sport || f->lport != p->dport) return 0;
  if (p->family == 4) return f->server4 == p->src[0] && f->local4 == p->dst[0];
  return same(f->server6, p->src) && same(f->local6, p->dst);
}

// Finds the flow of which this packet is a request or a reply. False: none, or this cell's is another one.
static __always_inline int flow_in(__u32 cell, const struct packet* p, struct way* way) {
  const __u32 id = cell & ((1u << FAST_ID_BITS) - 1);
  struct fast_flow* const f = bpf_map_lookup_elem(&flows, &id);
  if (!f || f->family != p->family || f->protocol != p->protocol) return 0;
  way->flow = f;
  way->is_reply = 0;
  if (is_request(f, p)) return 1;
  way->is_reply = 1;
  return is_reply(f, p);
}

static __always_inline int find_flow(const struct fast_head* h, const struct packet* p, struct way* way) {
  const __u64 hash = hash_of(h, p);
  const __u32 at = (__u32)hash & h->bucket_mask, tag = (__u32)(hash >> 56);
  const struct fast_bucket* const bucket = bpf_map_lookup_elem(&buckets, &at);
  if (!bucket) return 0;
#pragma clang loop unroll(disable)  // the program would be five times as large
  for (int i = 0; i < FAST_CELLS; ++i) {
    const __u32 cell = bucket->cell[i];
    if (cell != 0 && cell >> FAST_ID_BITS == tag && flow_in(cell, p, way)) return 1;
  }
  return 0;
}

static __always_inline int equal_mac(const __u8* a, const __u8* b) {
  return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) | (a[5] ^ b[5])) == 0;
}

static __always_inline int is_sender(const __u8* mac) {
  return (mac[0] & 1) == 0 && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
}

// Whether the frame is addressed to us as the flow's frames in this direction are, and came the same way.
static __always_inline int comes_as_usual(const struct __sk_buff* skb, const struct packet* p, const struct way* way) {
  const struct fast_flow* const f = way->flow;
  const __u32 at = way->is_reply ? f->own_out : f->own_in;
  const struct fast_own* const own = bpf_map_lookup_elem(&owns, &at);
  if (!own || own->ifindex != skb->ifindex || !equal_mac(own->mac, p->eth_to)) return 0;
  if (!is_sender(p->eth_from) || equal_mac(own->mac, p->eth_from)) return 0;
  // Replies go to the MAC address from which the client's packets come: the director has to learn another one.
  return way->is_reply || !f->one_mac || equal_mac(f->client_mac, p->eth_from);
}

// The way on. False: the director has to decide.
static __always_inline int find_way(struct __sk_buff* skb, struct packet* p, struct way* way) {
  const __u32 zero = 0;
  const struct fast_head* const h = bpf_map_lookup_elem(&head, &zero);
  if (!h || h->on == 0) return 0;
  if (!read_packet(skb, p) || !find_flow(h, p, way) || !comes_as_usual(skb, p, way)) return 0;
  const __u32 slot = way->flow->server;
  way->server = bpf_map_lookup_elem(&servers, &slot);
  if (!way->server || way->server->on == 0) return 0;
  const __u32 to = way->is_reply ? way->flow->link : way->server->hop;
  way->hop = bpf_map_lookup_elem(&hops, &to);
  if (!way->hop || way->hop->on == 0 || p->longest > way->hop->mtu) return 0;
  return way->is_reply || p->longest <= way->server->mtu;
}

static __always_inline void count(const struct packet* p, const struct way* way) {
  const __u32 at = bpf_get_smp_processor_id() * most_servers + way->flow->server;
  struct fast_counts* const c = bpf_map_lookup_elem(&counts, &at);
  if (!c) return;
  if (way->is_reply) {
    c->out_packets += 1;
    c->out_bytes += p->ip_size;
  } else {
    c->in_packets += 1;
    c->in_bytes += p->ip_size;
  }
}

// As next_number() in core/next_numbers.cpp.
static __always_inline __u32 after(__u32 next, const struct packet* p) {
  if (next != 0 && p->seq - next > UNSEEN && next - p->seq > UNSEEN) return next;
  if (next != 0 && (__s32)(p->next - next) <= 0) return next;
  return p->next != 0 ? p->next : 1;
}

static __always_inline void note(const struct packet* p, const struct way* way) {
  struct fast_flow* const f = way->flow;
  const __u32 now = (__u32)(bpf_ktime_get_boot_ns() >> FAST_SEEN_SHIFT);
  if (f->seen != now) f->seen = now;
  if (!way->is_reply) f->requests += 1;
  if (p->protocol != PROTO_TCP) return;
  if (way->is_reply) {
    f->next_server = after(f->next_server, p);
  } else {
    f->next_client = after(f->next_client, p);
  }
}

static __always_inline __u32 at_checksum(const struct packet* p) {
  return p->l4_at + (p->protocol == PROTO_TCP ? 16 : 6);
}

// Changes an address: in the header, in the header's checksum (IPv4) and in the transport's.
static __always_inline int set_address(struct __sk_buff* skb, const struct packet* p, __u32 at, const __u32* from,
                                       const __u32* to) {
  const __u64 udp = p->protocol == PROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
  if (p->family == 4) {
    if (bpf_l4_csum_replace(skb, at_checksum(p), from[0], to[0], BPF_F_PSEUDO_HDR | udp | 4) != 0) return 0;
    if (bpf_l3_csum_replace(skb, ETH_SIZE + 10, from[0], to[0], 4) != 0) return 0;
    return bpf_skb_store_bytes(skb, at, to, 4, 0) == 0;
  }
  const __s64 change = bpf_csum_diff((__be32*)from, 16, (__be32*)to, 16, 0);
  if (change < 0) return 0;
  if (bpf_l4_csum_replace(skb, at_checksum(p), 0, (__u64)change, BPF_F_PSEUDO_HDR | udp) != 0) return 0;
  return bpf_skb_store_bytes(skb, at, to, 16, 0) == 0;
}

static __always_inline int set_port(struct __sk_buff* skb, const struct packet* p, __u32 at, __u16 from, __u16 to) {
  if (from == to) return 1;
  const __u64 udp = p->protocol == PROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
  if (bpf_l4_csum_replace(skb, at_checksum(p), from, to, udp | 2) != 0) return 0;
  return bpf_skb_store_bytes(skb, at, &to, 2, 0) == 0;
}

static __always_inline int set_source(struct __sk_buff* skb, const struct packet* p, const __u32* addr, __u16 port) {
  const __u32 at = ETH_SIZE + (p->family == 4 ? 12 : 8);
  return set_address(skb, p, at, p->src, addr) && set_port(skb, p, p->l4_at, p->sport, port);
}

static __always_inline int set_destination(struct __sk_buff* skb, const struct packet* p, const __u32* addr,
                                           __u16 port) {
  const __u32 at = ETH_SIZE + (p->family == 4 ? 16 : 24);
  return set_address(skb, p, at, p->dst, addr) && set_port(skb, p, p->l4_at + 2, p->dport, port);
}

static __always_inline int translate(struct __sk_buff* skb, const struct packet* p, const struct way* way) {
  struct fast_flow* const f = way->flow;
  const int v4 = p->family == 4, full = f->method == FAST_FULLNAT;
  if (way->is_reply) {
    if (!set_source(skb, p, v4 ? &f->vip4 : f->vip6, f->vport)) return 0;
    return !full || set_destination(skb, p, v4 ? &f->client4 : f->client6, f->cport);
  }
  if (!set_destination(skb, p, v4 ? &f->server4 : f->server6, f->rport)) return 0;
  return !full || set_source(skb, p, v4 ? &f->local4 : f->local6, f->lport);
}

static __always_inline int decrement_ttl(struct __sk_buff* skb, const struct packet* p) {
  __u8 ttl[2];  // and what shares its 16 bits: IPv4's protocol; IPv6's next header comes before it
  const __u32 at = ETH_SIZE + (p->family == 4 ? 8 : 6);
  if (bpf_skb_load_bytes(skb, at, ttl, 2) != 0) return 0;
  const __u16 before = ttl[0] << 8 | ttl[1], one = p->family == 4 ? 0x100 : 1, now = before - one;
  if (p->family == 4 && bpf_l3_csum_replace(skb, ETH_SIZE + 10, bpf_htons(before), bpf_htons(now), 2) != 0) return 0;
  const __u16 wire = bpf_htons(now);
  return bpf_skb_store_bytes(skb, at, &wire, 2, 0) == 0;
}

static __always_inline int address_frame(struct __sk_buff* skb, const struct way* way) {
  __u8 macs[12];
  __builtin_memcpy(macs, way->is_reply ? way->flow->client_mac : way->hop->to, 6);
  __builtin_memcpy(macs + 6, way->hop->from, 6);
  return bpf_skb_store_bytes(skb, 0, macs, sizeof macs, 0) == 0;
}

SEC("tc")
int fast_path(struct __sk_buff* skb) {
  struct packet p = {};
  struct way way = {};
  if (!find_way(skb, &p, &way)) return TCX_NEXT;
  count(&p, &way);
  note(&p, &way);
  // A failure below leaves a frame that nobody can use: without memory for its headers it is lost, as anywhere.
  if (!decrement_ttl(skb, &p)) return TCX_DROP;
  if (way.flow->method != FAST_ROUTE && !translate(skb, &p, &way)) return TCX_DROP;
  if (!address_frame(skb, &way)) return TCX_DROP;
  return bpf_redirect(way.hop->ifindex, 0);
}

SEC("socket")
int fast_tap(struct __sk_buff* skb) {
  struct packet p = {};
  struct way way = {};
  return find_way(skb, &p, &way) ? 0 : -1;
}
