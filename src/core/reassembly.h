// SPDX-License-Identifier: BSD-2-Clause
// reassembly.h: IPv4 fragments, in any order, become whole datagrams: as ip_defrag does before the kernel's IPVS.
// In:  fragments that concern the director, the time.   Out: the whole frame; datagrams that were given up.
// Not: whose fragments they are (director.cpp), L4 checksums, cutting again (split.h). RFC 791 3.2, RFC 5722, RFC 3168
// 5.3. A datagram's bytes lie in 2 KB pages by their offset, each page with two bits per eight bytes: they have come; a
// fragment began there. So its memory does not depend on how finely it was cut, and an overlap is seen in the bits.
// Memory, all reserved at the start and touched only when used: 4 MB of pages (1,984 of 2 KB and 66 bytes), 80 KB in
// which a frame and its cuts are put together, and 204 bytes per datagram that may wait. Full is no refusal: the oldest
// gives way. A quarter of pages and datagrams, and at most 64 datagrams, is one source's: its own oldest gives way
// then.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "core/siphash.h"
#include "rawvs/time.h"
#include "wire/packet.h"

namespace rawvs {

class Reassembly {
 public:
  static constexpr Duration kTimeout = 30s;            // from a datagram's first fragment: net.ipv4.ipfrag_time
  static constexpr uint32_t kMemory = 4u << 20;        // for pages: net.ipv4.ipfrag_high_thresh
  static constexpr uint32_t kMostOfOneSource = 64;     // datagrams: net.ipv4.ipfrag_max_dist
  static constexpr uint32_t kLeast = 4, kMost = 8192;  // datagrams that may wait: the bound is put between these
  static constexpr uint32_t kHeadroom = 128;           // of the frames that are put together here

  struct Outcome {
    // None: `whole` is the datagram. Else what became of the fragment:
    // fragment_held     its datagram waits for more; also when all its bytes were there already, then it is ignored
    // fragment_overlap  some of its bytes were there, or it contradicts the datagram's end: the datagram is thrown away
    // fragment_bad      empty, ends beyond 65,535 bytes or (not the last) off the 8-byte grid, or its datagram's ECN
    //                   fields contradict each other: the datagram is thrown away
    // fragment_flood    only when there was no memory at the start
    std::optional<Exit> exit{};
    Frame whole{};         // valid until the next add() or timed_out()
    uint16_t largest = 0;  // IP size of its largest fragment, header included: no larger ones are sent on
    // Where its fragments began, in units of eight bytes of its payload, ascending, 0 first: split.h cuts it so again,
    // as the kernel does. Valid as long as `whole`.
    std::span<const uint16_t> cuts{};
    uint32_t gave_way = 0;  // other datagrams that were thrown away to make room: each a fragment_flood
  };

  Reassembly(uint32_t datagrams, HashKey secret, uint32_t memory = kMemory);

  // A fragment that parse_ipv4() has seen, and without offload facts: a checksum is made before a packet is cut.
  // The whole has the first fragment's headers, its length, DF if one of its largest fragments had it (as the kernel),
  // CE if one had it, and no offload facts. Fragments from different links never meet. Allocates nothing.
  Outcome add(const Frame& fragment, const Packet& packet, Instant now);

  // Takes one datagram out whose time is over; false when there is none. `first` is its first fragment as it came, for
  // an ICMP time exceeded in reassembly, valid until the next add() or timed_out(); without data when that never came.
  bool timed_out(Instant now, Frame& first);
  Instant next_deadline() const;  // when to ask timed_out() again; kNever when nothing waits

  uint32_t size() const { return used_; }                // datagrams that wait
  uint32_t capacity() const { return datagram_limit_; }  // 0: there was no memory for it
  uint32_t pages_used() const { return pages_used_; }
  uint32_t pages() const { return page_limit_; }
  size_t reserved_bytes() const { return bytes_; }

 private:
  using Id = uint16_t;  // of a datagram, a source, a page; from 1 on
  static constexpr Id kNone = 0;
  static constexpr uint32_t kPageSize = 2048, kPagesOfOne = 65536 / kPageSize, kMostHeader = kEthernetSize + 60;

  struct Key {
    Ip src{}, dst{};
    uint16_t ip_id = 0;
    Protocol protocol = Protocol::any;
    Link link = Link::outside;
  };
  struct Links {
    Id older, newer;
  };
  struct Queue {
    Id oldest = kNone, newest = kNone;
  };
  struct Datagram {
    Instant deadline;
    Links age, kin;  // among all, and among its source's
    Ip dst;
    uint32_t end;     // where it ends, or the farthest byte until the last fragment has come
    uint16_t blocks;  // of eight bytes, that have come
    uint16_t ip_id;
    Id source;
    uint16_t largest, largest_df;  // IP sizes; the second of those with DF
    uint16_t first_size;           // IP size of the first fragment; 0: it has not come
    uint16_t vlan;
    Protocol protocol;
    Link link;
    uint8_t ecn;  // bit n: a fragment's ECN field was n
    bool last_in;
    std::array<uint8_t, kMostHeader> header;  // the first fragment's Ethernet and IP header
    std::array<Id, kPagesOfOne> pages;
  };
  struct Source {
    Ip address;
    Queue datagrams;
    uint16_t count, pages;
    Id next;  // in its bucket, or among the free ones
  };
  static_assert(sizeof(Datagram) <= 184 && sizeof(Source) == 16);
  using Bits = std::array<uint64_t, kPageSize / 8 / 64>;
  struct Marks {  // of a page's blocks of eight bytes
    Bits there, begun;
  };
  static constexpr uint32_t kMostCuts = 65536 / 8;

  std::optional<Exit> judge(Id id, const Packet& packet) const;
  void store(Id id, const Frame& fragment, const Packet& packet, uint32_t& gave_way);
  std::optional<Exit> finish(Id id, Outcome& out);
  Frame assemble(const Datagram& d, uint32_t payload);
  std::span<const uint16_t> cuts_of(const Datagram& d);

  Id find(const Key& key) const;
  Id create(const Key& key, Instant now, uint32_t& gave_way);
  void drop(Id id);
  Id take_page(Id id, uint32_t& gave_way);
  void give_back_page(Id page);
  Id& bucket(Ip source) const;
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
  Datagram* datagrams_ = nullptr;  // as in all of these tables number 0 is never used: it means none
  Marks* page_marks_ = nullptr;
  Source* sources_ = nullptr;
  Id* buckets_ = nullptr;    // of sources, by a keyed hash of the address
  Id* page_next_ = nullptr;  // free pages
  uint8_t* page_data_ = nullptr;
  uint8_t* whole_ = nullptr;  // where frames are put together
  uint16_t* cuts_ = nullptr;  // and their cuts
  HashKey secret_{};
  uint32_t datagram_limit_ = 0, page_limit_ = 0, bucket_mask_ = 0;
  uint32_t used_ = 0, pages_used_ = 0;
  Id fresh_datagram_ = 1, fresh_source_ = 1, fresh_page_ = 1;  // from here on never used
  Id free_datagram_ = kNone, free_source_ = kNone, free_page_ = kNone;
  Queue age_{};
};

}  // namespace rawvs
