// SPDX-License-Identifier: BSD-2-Clause
// reassembly.cpp: checks a fragment, stores its bytes, builds the whole; drops the oldest when it is full.
//
// A datagram is found by its source (keyed hash), then among the source's at most 64 datagrams, newest first. This
// bounds the cost of a flood without an index over datagrams.
#include "core/reassembly.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "wire/ip_header.h"

namespace rawvs {

namespace {

constexpr uint32_t kBlock = kFragmentBlock, kShare = 4;

constexpr uint32_t blocks(uint32_t bytes) { return (bytes + kBlock - 1) / kBlock; }

// Calls f(page, at, size) for the bytes [from, to) of a datagram, page by page.
template <uint32_t kSize, class F>
void each_page(uint32_t from, uint32_t to, F f) {
  while (from < to) {
    const uint32_t stop = std::min(to, (from / kSize + 1) * kSize);
    f(from / kSize, from % kSize, stop - from);
    from = stop;
  }
}

// Calls f(word, mask) for the bits of `size` bytes of a page from `at` on, word by word.
template <class F>
void each_word(uint32_t at, uint32_t size, F f) {
  each_page<64>(at / kBlock, blocks(at + size),
                [&](uint32_t word, uint32_t bit, uint32_t n) { f(word, ~uint64_t{0} >> (64 - n) << bit); });
}

// The ECN bits to add to the whole: CE when a fragment had it. Nothing when ECN-capable fragments are mixed with others
// (RFC 3168 section 5.3).
std::optional<uint8_t> common_ecn(uint8_t seen) {
  constexpr uint8_t kNotCapable = 1 << 0, kCongested = 1 << 3, kCe = 3;
  if ((seen & kNotCapable) != 0 && seen != kNotCapable) return std::nullopt;
  return (seen & kCongested) != 0 ? kCe : uint8_t{0};
}

// What is cut into fragments: with IPv6 all that follows the fragment header, also further extension headers.
uint32_t payload_at(const Packet& p) { return p.fragment_at != 0 ? p.fragment_at + kIpv6FragmentSize : p.l4_at; }
uint32_t payload_size(const Packet& p) { return p.ip_at + p.ip_size - payload_at(p); }

}  // namespace

Reassembly::Reassembly(uint32_t datagrams, HashKey secret, uint32_t memory) : secret_(secret) {
  constexpr uint32_t kPageCost = kPageSize + sizeof(Marks) + sizeof(Id);
  constexpr size_t kWholeSize = kHeadroom + kMostHeader + 65535;
  const size_t limit = std::clamp(datagrams, kLeast, kMost);
  // One source's share must hold the largest datagram; more than all datagrams fill is never used.
  const auto most = static_cast<uint32_t>(limit * kPagesOfOne);
  const size_t pages = std::clamp(std::min(memory / kPageCost, most), kShare * kPagesOfOne, 65535u);
  const size_t buckets = std::bit_ceil(limit);
  size_t size = 0;
  const auto place = [&](size_t bytes) {  // each table begins a cache line
    const size_t at = size;
    size += (bytes + 63) / 64 * 64;
    return at;
  };
  const size_t datagrams_at = place((limit + 1) * sizeof(Datagram)), marks_at = place((pages + 1) * sizeof(Marks)),
               sources_at = place((limit + 1) * sizeof(Source)), buckets_at = place(buckets * sizeof(Id)),
               next_at = place((pages + 1) * sizeof(Id)), data_at = place((pages + 1) * kPageSize),
               whole_at = place(kWholeSize), cuts_at = place(kMostCuts * sizeof(uint16_t));
  // calloc: the kernel's zero pages take no memory until they are used.
  memory_.reset(std::calloc(1, size));
  if (!memory_) return;  // capacity() is 0 then; the daemon refuses to start
  auto* const base = static_cast<uint8_t*>(memory_.get());
  datagrams_ = reinterpret_cast<Datagram*>(base + datagrams_at);
  page_marks_ = reinterpret_cast<Marks*>(base + marks_at);
  sources_ = reinterpret_cast<Source*>(base + sources_at);
  buckets_ = reinterpret_cast<Id*>(base + buckets_at);
  page_next_ = reinterpret_cast<Id*>(base + next_at);
  page_data_ = base + data_at;
  whole_ = base + whole_at;
  cuts_ = reinterpret_cast<uint16_t*>(base + cuts_at);
  bytes_ = size;
  datagram_limit_ = static_cast<uint32_t>(limit);
  page_limit_ = static_cast<uint32_t>(pages);
  bucket_mask_ = static_cast<uint32_t>(buckets - 1);
}

Reassembly::Outcome Reassembly::add(const Frame& fragment, const Packet& packet, Instant now) {
  Outcome out;
  if (datagram_limit_ == 0) {
    out.exit = Exit::fragment_flood;
    return out;
  }
  const bool v4 = packet.family() == Family::ipv4;
  // IPv6's identification is unique without the protocol, which only the first fragment's header counts for.
  const Key key{packet.src, packet.dst, fragment_id(fragment, packet), v4 ? packet.protocol : Protocol::any,
                fragment.link};
  Id id = find(key);
  out.exit = judge(id, packet);
  if (out.exit == Exit::fragment_held) return out;
  if (!out.exit) {
    if (id == kNone) id = create(key, now, out.gave_way);
    store(id, fragment, packet, out.gave_way);
    out.exit = finish(id, out);
  }
  if (out.exit != Exit::fragment_held && id != kNone) drop(id);
  return out;
}

// Judges a fragment by its place, before anything is stored. None: it brings new bytes.
std::optional<Exit> Reassembly::judge(Id id, const Packet& packet) const {
  const uint32_t from = packet.fragment_offset, to = from + payload_size(packet);
  const uint32_t header = packet.ip_size - payload_size(packet);
  const bool ragged = packet.more_fragments && to % kBlock != 0;
  if (from == to || ragged || header + to > most_ip_bytes(packet.family())) return Exit::fragment_bad;
  if (payload_at(packet) > kMostHeader) return Exit::fragment_bad;
  if (id == kNone) return std::nullopt;
  const Datagram& d = datagrams_[id];
  const bool beyond = packet.more_fragments && d.last_in && to > d.end;
  const bool other_end = !packet.more_fragments && (d.last_in ? to != d.end : to < d.end);
  if (beyond || other_end) return Exit::fragment_overlap;
  uint32_t there = 0;
  each_page<kPageSize>(from, to, [&](uint32_t page, uint32_t at, uint32_t size) {
    if (d.pages[page] == kNone) return;
    const Bits& bits = page_marks_[d.pages[page]].there;
    each_word(at, size,
              [&](uint32_t word, uint64_t mask) { there += static_cast<uint32_t>(std::popcount(bits[word] & mask)); });
  });
  if (there == 0) return std::nullopt;
  return there == blocks(to - from) ? Exit::fragment_held : Exit::fragment_overlap;
}

void Reassembly::store(Id id, const Frame& fragment, const Packet& packet, uint32_t& gave_way) {
  Datagram& d = datagrams_[id];
  const uint32_t from = packet.fragment_offset, to = from + payload_size(packet);
  const uint8_t* bytes = fragment.data + payload_at(packet);
  each_page<kPageSize>(from, to, [&](uint32_t page, uint32_t at, uint32_t size) {
    if (d.pages[page] == kNone) d.pages[page] = take_page(id, gave_way);
    std::memcpy(page_data(d.pages[page]) + at, bytes, size);
    bytes += size;
    Bits& bits = page_marks_[d.pages[page]].there;
    each_word(at, size, [&](uint32_t word, uint64_t mask) { bits[word] |= mask; });
  });
  const uint32_t begin = from % kPageSize / kBlock;
  page_marks_[d.pages[from / kPageSize]].begun[begin / 64] |= uint64_t{1} << begin % 64;
  d.blocks = static_cast<uint16_t>(d.blocks + blocks(to - from));
  d.end = std::max(d.end, to);
  d.last_in = d.last_in || !packet.more_fragments;
  d.ecn = static_cast<uint8_t>(d.ecn | 1u << (packet.tos & 3));
  const auto size = static_cast<uint16_t>(packet.ip_size);
  d.largest = std::max(d.largest, size);
  if (packet.dont_fragment) d.largest_df = std::max(d.largest_df, size);
  if (from == 0) {
    d.first_size = size;
    d.vlan = fragment.vlan;
    d.header_size = static_cast<uint16_t>(payload_at(packet));
    std::memcpy(d.header.data(), fragment.data, d.header_size);
  }
}

// fragment_held while bytes are missing; else builds the whole.
std::optional<Exit> Reassembly::finish(Id id, Outcome& out) {
  const Datagram& d = datagrams_[id];
  if (!d.last_in || d.blocks != blocks(d.end)) return Exit::fragment_held;
  const auto ecn = common_ecn(d.ecn);
  const size_t header = d.header_size - (d.dst.is_v4() ? 0 : kIpv6FragmentSize);
  if (!ecn || header - kEthernetSize + d.end > most_ip_bytes(d.dst.family())) return Exit::fragment_bad;
  out.largest = d.largest;
  out.whole = assemble(d, header, d.end);
  out.cuts = {cuts_of(d), d.end};
  if (!d.dst.is_v4()) out.id = static_cast<uint32_t>(siphash13(secret_, d.id, ++ids_given_));
  settle(d, out.whole.bytes().first(header), *ecn);
  return std::nullopt;
}

// Makes the first fragment's headers those of the whole.
void Reassembly::settle(const Datagram& d, MutableBytes header, uint8_t ecn) {
  const MutableBytes bytes = header.subspan(kEthernetSize);
  const auto size = static_cast<uint32_t>(bytes.size()) + d.end;
  if (d.dst.is_v4()) {
    MutableIpv4Header ip(bytes);
    ip.set_tos(static_cast<uint8_t>(ip.tos() | ecn));
    ip.set_total(size);
    ip.set_fragment_word(d.largest_df == d.largest ? kDontFragment : uint16_t{0});
    ip.make_checksum();
    return;
  }
  MutableIpv6Header ip(bytes);
  ip.set_traffic_class(static_cast<uint8_t>(ip.traffic_class() | ecn));
  ip.set_payload_size(size - kIpv6Size);
  const uint8_t next = d.header[header.size()];  // the fragment header's first byte
  Ipv6Chain chain;
  walk(Bytes(d.header).first(d.header_size).subspan(kEthernetSize), chain);  // parse_ip() has accepted it
  bytes[chain.fragment_named_at] = next;
}

// The first `header` bytes of the first fragment and the first `payload` bytes of the datagram. REQUIRES: they have
// come.
Frame Reassembly::assemble(const Datagram& d, size_t header, uint32_t payload) {
  Frame f;
  f.data = whole_ + kHeadroom;
  f.size = static_cast<uint32_t>(header) + payload;
  f.headroom = kHeadroom;
  f.vlan = d.vlan;
  f.link = d.link;
  std::memcpy(f.data, d.header.data(), header);
  each_page<kPageSize>(0, payload, [&](uint32_t page, uint32_t at, uint32_t size) {
    std::memcpy(f.data + header + size_t{page} * kPageSize + at, page_data(d.pages[page]) + at, size);
  });
  return f;
}

std::span<const uint16_t> Reassembly::cuts_of(const Datagram& d) {
  constexpr uint32_t kBlocksOfPage = kPageSize / kBlock;
  size_t n = 0;
  for (uint32_t page = 0; page * kPageSize < d.end; ++page) {
    const Bits& begun = page_marks_[d.pages[page]].begun;
    for (uint32_t word = 0; word < begun.size(); ++word) {
      for (uint64_t left = begun[word]; left != 0; left &= left - 1) {
        const auto bit = static_cast<uint32_t>(std::countr_zero(left));
        cuts_[n++] = static_cast<uint16_t>(page * kBlocksOfPage + word * 64 + bit);
      }
    }
  }
  return {cuts_, n};
}

bool Reassembly::timed_out(Instant now, Frame& first) {
  first = Frame{};
  if (now < next_deadline()) return false;
  const Id id = age_.oldest;
  if (id == kNone) return false;
  const Datagram& d = datagrams_[id];
  if (d.first_size != 0) {
    first = assemble(d, d.header_size, d.first_size - (d.header_size - static_cast<uint32_t>(kEthernetSize)));
  }
  drop(id);
  return true;
}

// All wait for the same time, so the oldest is the first.
Instant Reassembly::next_deadline() const { return age_.oldest == kNone ? kNever : datagrams_[age_.oldest].deadline; }

Reassembly::Id Reassembly::find(const Key& key) const {
  const Id source = find_source(key.src);
  if (source == kNone) return kNone;
  for (Id id = sources_[source].datagrams.newest; id != kNone; id = datagrams_[id].kin.older) {
    const Datagram& d = datagrams_[id];
    const bool same_hosts = d.src == key.src && d.dst == key.dst;
    if (d.id == key.id && same_hosts && d.protocol == key.protocol && d.link == key.link) return id;
  }
  return kNone;
}

Reassembly::Id Reassembly::create(const Key& key, Instant now, uint32_t& gave_way) {
  Id source = find_source(key.src);
  if (source != kNone && sources_[source].count >= std::min(kMostOfOneSource, datagram_limit_ / kShare)) {
    drop(sources_[source].datagrams.oldest), ++gave_way;
  }
  if (used_ == datagram_limit_) drop(age_.oldest), ++gave_way;
  source = find_source(key.src);  // it may have been dropped with its last datagram
  if (source == kNone) source = create_source(key.src);

  Id id = free_datagram_;
  if (id != kNone) {
    free_datagram_ = datagrams_[id].age.older;
  } else {
    id = fresh_datagram_++;
  }
  Datagram& d = datagrams_[id];
  d = Datagram{};
  d.deadline = now + kTimeout;
  d.src = key.src;
  d.dst = key.dst;
  d.id = key.id;
  d.protocol = key.protocol;
  d.link = key.link;
  d.source = source;
  push(age_, &Datagram::age, id);
  push(sources_[source].datagrams, &Datagram::kin, id);
  ++sources_[source].count;
  ++used_;
  return id;
}

void Reassembly::drop(Id id) {
  Datagram& d = datagrams_[id];
  Source& source = sources_[d.source];
  for (const Id page : d.pages) {
    if (page != kNone) give_back_page(page), --source.pages;
  }
  unlink(age_, &Datagram::age, id);
  unlink(source.datagrams, &Datagram::kin, id);
  if (--source.count == 0) drop_source(d.source);
  d.age.older = free_datagram_;
  free_datagram_ = id;
  --used_;
}

// A page for this datagram. Every other datagram holds at least one page, and this one never exceeds a source's share:
// there is always a datagram to drop.
Reassembly::Id Reassembly::take_page(Id id, uint32_t& gave_way) {
  Source& source = sources_[datagrams_[id].source];
  const auto oldest_but = [&](const Queue& queue, Links Datagram::*links) {
    return queue.oldest != id ? queue.oldest : (datagrams_[id].*links).newer;
  };
  while (source.pages >= page_limit_ / kShare) drop(oldest_but(source.datagrams, &Datagram::kin)), ++gave_way;
  while (pages_used_ == page_limit_) drop(oldest_but(age_, &Datagram::age)), ++gave_way;
  Id page = free_page_;
  if (page != kNone) {
    free_page_ = page_next_[page];
  } else {
    page = fresh_page_++;
  }
  page_marks_[page] = Marks{};
  ++source.pages;
  ++pages_used_;
  return page;
}

void Reassembly::give_back_page(Id page) {
  page_next_[page] = free_page_;
  free_page_ = page;
  --pages_used_;
}

// A host of IPv6 may use all addresses of its network of 64 bits: what one source may have is counted for all of them.
Ip Reassembly::source_of(Ip address) { return address.is_v4() ? address : Ip(address.hi(), 0); }

Reassembly::Id& Reassembly::bucket(Ip source) const {
  const uint64_t bits = source.is_v4() ? source.v4() : source.hi();
  return buckets_[siphash13(secret_, bits, 0) & bucket_mask_];
}

Reassembly::Id Reassembly::find_source(Ip address) const {
  address = source_of(address);
  Id id = bucket(address);
  while (id != kNone && sources_[id].address != address) id = sources_[id].next;
  return id;
}

Reassembly::Id Reassembly::create_source(Ip address) {
  address = source_of(address);
  Id id = free_source_;
  if (id != kNone) {
    free_source_ = sources_[id].next;
  } else {
    id = fresh_source_++;
  }
  Source& source = sources_[id];
  source = Source{};
  source.address = address;
  source.next = bucket(address);
  bucket(address) = id;
  return id;
}

void Reassembly::drop_source(Id id) {
  Id* link = &bucket(sources_[id].address);
  while (*link != id) link = &sources_[*link].next;
  *link = sources_[id].next;
  sources_[id].next = free_source_;
  free_source_ = id;
}

void Reassembly::push(Queue& queue, Links Datagram::*links, Id id) {
  datagrams_[id].*links = {queue.newest, kNone};
  (queue.newest != kNone ? (datagrams_[queue.newest].*links).newer : queue.oldest) = id;
  queue.newest = id;
}

void Reassembly::unlink(Queue& queue, Links Datagram::*links, Id id) {
  const Links around = datagrams_[id].*links;
  (around.older != kNone ? (datagrams_[around.older].*links).newer : queue.oldest) = around.newer;
  (around.newer != kNone ? (datagrams_[around.newer].*links).older : queue.newest) = around.older;
}

}  // namespace rawvs
