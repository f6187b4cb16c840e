// SPDX-License-Identifier: BSD-2-Clause
// reassembly.h: puts fragments of both families together, in any order, as the kernel does before its IPVS.
// In:  fragments that concern the director, the time.
// Out: whole frames; datagrams that were given up.
// Not: to whom fragments belong (director.cpp), L4 checksums, cutting again (split.h).
// RFC: 791 section 3.2, 8200 section 4.5, 5722, 3168 section 5.3.
//
// The bytes of a datagram lie in pages of 2 KB by their offset; each page has two bits per eight bytes: received, and
// "a fragment began here". So the memory does not depend on the fragments' number, and the bits show an overlap.
// All memory is reserved at the start and touched when used: 4 MB of pages (1,984 of 2 KB and 66 bytes), 80 KB to build
// a frame and its cuts, and 300 bytes per waiting datagram. When it is full, the oldest datagram is dropped. One
// source, which is an IPv4 address or an IPv6 network of 64 bits, has at most a quarter of the pages and of the
// datagrams, and at most 64 datagrams; beyond it, its own oldest is dropped.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "core/siphash.h"
#include "rawvs/time.h"
#include "wire/ip_header.h"
#include "wire/packet.h"
#include "wire/split.h"

namespace rawvs {

class Reassembly {
 public:
  static constexpr Duration kTimeout = 30s;            // from a datagram's first fragment: net.ipv4.ipfrag_time
  static constexpr uint32_t kMemory = 4u << 20;        // for pages: net.ipv4.ipfrag_high_thresh
  static constexpr uint32_t kMostOfOneSource = 64;     // datagrams: net.ipv4.ipfrag_max_dist
  static constexpr uint32_t kLeast = 4, kMost = 8192;  // datagrams that may wait: the limit is clamped to this range
  static constexpr uint32_t kHeadroom = 128;           // bytes, of the frames built here
  static constexpr uint32_t kMostExtensions = 64;      // bytes

  struct Outcome {
    // None: `whole` is the datagram. Else the fragment's fate:
    // fragment_held     its datagram waits for more; a fragment whose bytes had all come is ignored
    // fragment_overlap  some of its bytes had come, or it contradicts the datagram's end: the datagram is dropped
    // fragment_bad      empty, ends beyond the largest packet, not the last and no multiple of 8 bytes, or its
    //                   datagram's ECN fields contradict each other: the datagram is dropped. IPv6: also one whose
    //                   extension headers before the fragment header are longer than kMostExtensions
    // fragment_flood    only without memory at the start
    std::optional<Exit> exit{};
    Frame whole{};         // valid until the next add() or timed_out()
    uint16_t largest = 0;  // IP size of its largest fragment with header: no larger fragments are sent
    Cuts cuts{};           // split.h cuts there again, as the kernel does. Valid as long as `whole`.
    // IPv6: a new identification for what it is cut into, which is not foreseen. Two NAT servers may choose the same
    // one for a client, and both speak in the VIP's name.
    uint32_t id = 0;
    uint32_t gave_way = 0;  // other datagrams dropped to make room: each is a fragment_flood
  };

  Reassembly(uint32_t datagrams, HashKey secret, uint32_t memory = kMemory);

  // REQUIRES: parse_ip() accepted the fragment, and it has no offload facts (a checksum is made before a packet is
  // cut). The whole has the first fragment's headers without IPv6's fragment header, its own length, DF if one of its
  // largest fragments had it (as in the kernel), CE if one had it, and no offload facts. Fragments from different links
  // are not combined. Allocates nothing.
  Outcome add(const Frame& fragment, const Packet& packet, Instant now);

  // Removes one datagram whose time is over; false: there is none. first: its first fragment as received, for an ICMP
  // "reassembly time exceeded"; without data if it never came. Valid until the next add() or timed_out().
  bool timed_out(Instant now, Frame& first);
  Instant next_deadline() const;  // when to call timed_out() again; kNever when nothing waits

  uint32_t size() const { return used_; }                // datagrams that wait
  uint32_t capacity() const { return datagram_limit_; }  // 0: the allocation failed
  uint32_t pages_used() const { return pages_used_; }
  uint32_t pages() const { return page_limit_; }
  size_t reserved_bytes() const { return bytes_; }

 private:
  using Id = uint16_t;  // number of a datagram, a source, a page; from 1 on
  static constexpr Id kNone = 0;
  static constexpr uint32_t kPageSize = 2048, kPagesOfOne = 65536 / kPageSize;
  static constexpr uint32_t kMostHeader = kEthernetSize + kIpv6Size + kMostExtensions + kIpv6FragmentSize;

  struct Key {
    Ip src{}, dst{};
    uint32_t id = 0;
    Protocol protocol = Protocol::any;  // of IPv4
    Link link{};
  };
  struct Links {
    Id older, newer;
  };
  struct Queue {
    Id oldest = kNone, newest = kNone;
  };
  struct Datagram {
    Instant deadline;
    Links age, kin;  // among all datagrams, among those of its source
    Ip src, dst;
    uint32_t id;      // Identification, of 16 or 32 bits
    uint32_t end;     // of the payload; until the last fragment comes, the farthest byte
    uint16_t blocks;  // of eight bytes, received
    Id source;
    uint16_t largest, largest_df;  // IP sizes: of all fragments, of those with DF
    uint16_t first_size;           // IP size of the first fragment; 0: not received
    uint16_t header_size;          // of the first fragment: its Ethernet and IP headers, with the fragment header
    uint16_t vlan;
    Protocol protocol;
    Link link;
    uint8_t ecn;  // bit n: a fragment had the ECN field n
    bool last_in;
    std::array<uint8_t, kMostHeader> header;  // the first fragment's
    std::array<Id, kPagesOfOne> pages;
  };
  struct Source {
    Ip address;  // IPv6: the network
    Queue datagrams;
    uint16_t count, pages;
    Id next;  // in its bucket, or in the list of free sources
  };
  static_assert(sizeof(Datagram) <= 280 && sizeof(Source) == 32);
  using Bits = std::array<uint64_t, kPageSize / 8 / 64>;
  struct Marks {  // for a page's blocks of eight bytes
    Bits there, begun;
  };
  static constexpr uint32_t kMostCuts = 65536 / 8;

  std::optional<Exit> judge(Id id, const Packet& packet) const;
  void store(Id id, const Frame& fragment, const Packet& packet, uint32_t& gave_way);
  std::optional<Exit> finish(Id id, Outcome& out);
  Frame assemble(const Datagram& d, size_t header, uint32_t payload);
  static void settle(const Datagram& d, MutableBytes header, uint8_t ecn);
  std::span<const uint16_t> cuts_of(const Datagram& d);

  Id find(const Key& key) const;
  Id create(const Key& key, Instant now, uint32_t& gave_way);
  void drop(Id id);
  Id take_page(Id id, uint32_t& gave_way);
  void give_back_page(Id page);
  Id& bucket(Ip source) const;
  static Ip source_of(Ip address);
  Id find_source(Ip address) const;
  Id create_source(Ip address);
  void drop_source(Id id);
  void push(Queue& queue, Links Datagram::*links, Id id);
  void unlink(Queue& queue, Links Datagram::*links, Id id);
  uint8_t* page_data(Id page) const { return &page_data_[size_t{page} * kPageSize]; }

  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  size_t bytes_ = 0;
  Datagram* datagrams_ = nullptr;  // as in all these tables, number 0 means none
  Marks* page_marks_ = nullptr;
  Source* sources_ = nullptr;
  Id* buckets_ = nullptr;    // of sources, by a keyed hash of the address
  Id* page_next_ = nullptr;  // free pages
  uint8_t* page_data_ = nullptr;
  uint8_t* whole_ = nullptr;  // the buffer for whole frames
  uint16_t* cuts_ = nullptr;  // the buffer for their cuts
  HashKey secret_{};
  uint32_t datagram_limit_ = 0, page_limit_ = 0, bucket_mask_ = 0;
  uint32_t used_ = 0, pages_used_ = 0;
  uint32_t ids_given_ = 0;
  Id fresh_datagram_ = 1, fresh_source_ = 1, fresh_page_ = 1;  // these and all later ones were never used
  Id free_datagram_ = kNone, free_source_ = kNone, free_page_ = kNone;
  Queue age_{};
};

}  // namespace rawvs
