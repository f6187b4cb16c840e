// SPDX-License-Identifier: BSD-2-Clause
// split.cpp: cuts into fragments and segments, and completes the checksum first.
#include "wire/split.h"

#include <algorithm>
#include <cstring>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip_header.h"

namespace rawvs {

namespace {

constexpr uint32_t kBlock = kFragmentBlock;

// UDP's checksum field: 0 means "no checksum", so a checksum of 0 is written as 0xffff (RFC 768).
uint16_t never_zero(uint16_t sum) { return sum == 0xffff ? sum : static_cast<uint16_t>(~sum); }

// Only the first piece keeps options without the copied flag. In the other pieces no-operations replace them, as in the
// kernel: all headers have the same size.
void blank_uncopied_options(MutableBytes options) {
  constexpr uint8_t kEnd = 0, kNoOperation = 1, kCopied = 0x80;
  for (size_t at = 0; at < options.size() && options[at] != kEnd;) {
    if (options[at] == kNoOperation) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size()) return;
    const size_t size = options[at + 1];
    if (size < 2 || size > options.size() - at) return;
    if ((options[at] & kCopied) == 0) std::fill_n(options.data() + at, size, kNoOperation);
    at += size;
  }
}

// The payload of the largest of the original fragments, bytes; 0 when the cuts cannot be used.
uint32_t largest_given(const Cuts& cuts, uint32_t payload) {
  if (cuts.at.size() < 2 || cuts.at.front() != 0 || cuts.payload > payload) return 0;
  const uint32_t lead = payload - cuts.payload;
  if (lead % kBlock != 0) return 0;
  uint32_t begin = 0, largest = 0;
  for (size_t i = 0; i < cuts.at.size(); ++i) {
    const uint32_t end = i + 1 < cuts.at.size() ? lead + cuts.at[i + 1] * kBlock : payload;
    if (end <= begin || end > payload) return 0;
    largest = std::max(largest, end - begin);
    begin = end;
  }
  return largest;
}

// A piece: the header, room for `inserted` bytes, and a part of the payload. REQUIRES: it fits into out.
Frame copy_piece(const Frame& whole, uint32_t header, uint32_t inserted, uint32_t at, uint32_t size, MutableBytes out) {
  std::memcpy(out.data(), whole.data, header);
  std::memcpy(out.data() + header + inserted, whole.data + header + at, size);
  Frame piece = whole;
  piece.data = out.data();
  piece.size = header + inserted + size;
  piece.headroom = 0;
  return piece;
}

}  // namespace

Fragmenter::Fragmenter(const Frame& whole, uint32_t mtu, DontFragment df, const Cuts& cuts, uint32_t id)
    : whole_(whole), id_(id) {
  const Bytes b = whole.bytes();
  if (b.size() < kEthernetSize) return;
  const bool v6 = load_be16(b, kEthernetTypeAt) == kEtherTypeIpv6;
  family_ = v6 ? Family::ipv6 : Family::ipv4;
  const Headers read = v6 ? read_ipv6(b.subspan(kEthernetSize)) : read_ipv4(b.subspan(kEthernetSize));
  if (!read.sound) return;
  header_ = static_cast<uint32_t>(kEthernetSize) + read.header;
  payload_ = read.payload;
  step_ = payload_;
  lead_ = payload_ - cuts.payload;  // used with cuts_ alone, which largest_given() has judged
  const uint32_t given = largest_given(cuts, payload_);
  if (read.header + payload_ > mtu || given != 0) {
    const bool refused = !v6 && (word_ & kDontFragment) != 0 && df == DontFragment::refuse;
    const uint8_t segmentation = whole.offload.segmentation & static_cast<uint8_t>(~Offload::ecn);
    // Offload::udp means a datagram that has to be fragmented, which is what happens here.
    const bool super_frame = segmentation != Offload::none && segmentation != Offload::udp;
    const bool too_far = !v6 && (word_ & kFragmentOffset) * kBlock + payload_ > kMostIpv4Size;
    inserted_ = v6 ? kIpv6FragmentSize : 0;
    const uint32_t headers = read.header + inserted_;
    if (refused || super_frame || too_far || read.fragment || whole.offload.partial_checksum() ||
        mtu < headers + kBlock)
      return;
    step_ = (mtu - headers) / kBlock * kBlock;
    // The last original fragment need not be a multiple of eight bytes.
    if (given != 0 && given <= mtu - headers) step_ = given, cuts_ = cuts.at.subspan(1);
    if (df == DontFragment::clear) word_ &= static_cast<uint16_t>(~kDontFragment);
  }
  valid_ = true;
}

Fragmenter::Headers Fragmenter::read_ipv4(Bytes packet) {
  if (packet.size() < kIpv4Size) return {};
  const Ipv4Header ip(packet);
  const uint32_t header = ip.header_size(), total = ip.total();
  if (header < kIpv4Size || total < header || total > packet.size()) return {};
  word_ = ip.fragment_word();
  return {header, total - header, true};
}

Fragmenter::Headers Fragmenter::read_ipv6(Bytes packet) {
  if (packet.size() < kIpv6Size) return {};
  const uint32_t total = Ipv6Header(packet).total();
  Ipv6Chain chain;
  if (total > packet.size() || walk(packet.first(total), chain)) return {};
  named_at_ = static_cast<uint32_t>(kEthernetSize) + chain.fragmentable_named;
  return {chain.fragmentable_at, total - chain.fragmentable_at, true, chain.is_fragment()};
}

uint32_t Fragmenter::largest_piece() const { return header_ + inserted_ + std::min(step_, payload_); }

bool Fragmenter::next(MutableBytes out, Frame& piece) {
  const uint32_t end = cuts_.empty() ? payload_ : lead_ + cuts_.front() * kBlock;
  const uint32_t size = std::min(step_, end - at_);
  const uint32_t inserted = size != payload_ ? inserted_ : 0;
  if (!valid_ || done_ || out.size() < header_ + inserted + size) return false;
  if (!cuts_.empty()) cuts_ = cuts_.subspan(1);
  piece = copy_piece(whole_, header_, inserted, at_, size, out);
  done_ = at_ + size == payload_;
  if (size != payload_) {
    const MutableBytes header = out.first(header_ + inserted);
    family_ == Family::ipv4 ? finish_ipv4(header.subspan(kEthernetSize), size) : finish_ipv6(header, size);
    piece.offload = Offload{};
  }
  at_ += size;
  return true;
}

void Fragmenter::finish_ipv4(MutableBytes header, uint32_t size) const {
  MutableIpv4Header ip(header);
  const uint32_t offset = (word_ & kFragmentOffset) + at_ / kBlock;
  const uint32_t more = done_ ? word_ & kMoreFragments : kMoreFragments;
  ip.set_total(static_cast<uint32_t>(header.size()) + size);
  ip.set_fragment_word(static_cast<uint16_t>((word_ & kDontFragment) | more | offset));
  if (at_ != 0) blank_uncopied_options(header.subspan(kIpv4Size));
  ip.make_checksum();
}

void Fragmenter::finish_ipv6(MutableBytes header, uint32_t size) const {
  MutableIpv6Header(header.subspan(kEthernetSize))
      .set_total(static_cast<uint32_t>(header.size() - kEthernetSize) + size);
  const MutableBytes fragment = header.last(kIpv6FragmentSize);
  fragment[0] = header[named_at_];
  fragment[1] = 0;
  header[named_at_] = ipv6_next::kFragment;
  store_be16(fragment, kIpv6FragmentWordAt, static_cast<uint16_t>(at_ | (done_ ? 0 : kIpv6MoreFragments)));
  store_be32(fragment, kIpv6FragmentIdAt, id_);
}

Segmenter::Segmenter(const Frame& super, const Packet& packet)
    : super_(super),
      ip_at_(packet.ip_at),
      l4_at_(packet.l4_at),
      family_(packet.family()),
      tcp_(packet.protocol == Protocol::tcp) {
  const uint8_t kind = super.offload.segmentation & static_cast<uint8_t>(~Offload::ecn);
  const bool tcp = tcp_ && kind == (family_ == Family::ipv4 ? Offload::tcp4 : Offload::tcp6);
  const bool udp = packet.protocol == Protocol::udp && kind == Offload::udp_l4;
  if ((!tcp && !udp) || super.offload.segment_size == 0 || packet.fragmented()) return;
  const uint32_t l4_header = tcp ? TcpHeader(Bytes(super.bytes()).subspan(l4_at_)).header_size() : kUdpSize;
  header_ = l4_at_ + l4_header;
  payload_ = packet.l4_size() - l4_header;
  valid_ = true;
}

uint32_t Segmenter::largest_piece() const {
  return header_ + std::min<uint32_t>(super_.offload.segment_size, payload_);
}

bool Segmenter::next(MutableBytes out, Frame& piece) {
  const uint32_t size = std::min<uint32_t>(super_.offload.segment_size, payload_ - at_);
  if (!valid_ || done_ || out.size() < header_ + size) return false;
  piece = copy_piece(super_, header_, 0, at_, size, out);
  done_ = at_ + size == payload_;

  const MutableBytes l4 = out.subspan(l4_at_, piece.size - l4_at_);
  write_ip(out.subspan(ip_at_, l4_at_ - ip_at_), piece.size - ip_at_);
  if (tcp_) {
    write_tcp(l4, done_);
  } else {
    store_be16(l4, kUdpLengthAt, static_cast<uint16_t>(l4.size()));
  }
  write_checksum(piece);
  at_ += size;
  ++pieces_;
  return true;
}

void Segmenter::write_ip(MutableBytes header, uint32_t total) const {
  if (family_ == Family::ipv6) return MutableIpv6Header(header).set_total(total);
  MutableIpv4Header ip(header);
  ip.set_total(total);
  ip.set_id(static_cast<uint16_t>(ip.id() + pieces_));
  ip.make_checksum();
}

void Segmenter::write_tcp(MutableBytes l4, bool last) const {
  store_be32(l4, kTcpSeqAt, load_be32(l4, kTcpSeqAt) + at_);
  uint8_t unset = 0;
  if (!last) unset |= TcpFlags::fin | TcpFlags::psh;
  if (at_ != 0) unset |= TcpFlags::cwr;  // one CWR answers one congestion mark (RFC 3168 section 6.1.2)
  l4[kTcpFlagsAt] &= static_cast<uint8_t>(~unset);
}

void Segmenter::write_checksum(Frame& piece) const {
  const MutableBytes b = piece.bytes(), l4 = b.subspan(l4_at_);
  const Bytes ip = Bytes(b).subspan(ip_at_);
  const size_t at = tcp_ ? kTcpChecksumAt : kUdpChecksumAt;
  const bool partial = super_.offload.partial_checksum();
  piece.offload = Offload{};
  if (!tcp_ && !partial && load_be16(l4, at) == 0) return;  // the sender made no checksum
  const uint64_t pseudo = pseudo_header_sum(source_of(ip, family_), destination_of(ip, family_),
                                            tcp_ ? Protocol::tcp : Protocol::udp, static_cast<uint32_t>(l4.size()));
  if (partial) {
    store_be16(l4, at, checksum_fold(pseudo));
    piece.offload.flags = Offload::needs_checksum;
    piece.offload.checksum_start = static_cast<uint16_t>(l4_at_);
    piece.offload.checksum_offset = static_cast<uint16_t>(at);
    return;
  }
  store_be16(l4, at, 0);
  const uint16_t sum = checksum_fold(checksum_add(l4, pseudo));
  store_be16(l4, at, tcp_ ? static_cast<uint16_t>(~sum) : never_zero(sum));
  piece.offload.flags = super_.offload.flags & Offload::checksum_valid;
}

bool complete_checksum(Frame& frame) {
  const size_t start = frame.offload.checksum_start, offset = frame.offload.checksum_offset;
  if (!frame.offload.partial_checksum() || (offset != kTcpChecksumAt && offset != kUdpChecksumAt)) return false;
  MutableBytes b = frame.bytes();
  if (b.size() < kEthernetSize + kIpv4Size) return false;
  const Bytes ip = Bytes(b).subspan(kEthernetSize);
  const Family family = stated_family(ip);
  if (ip.size() < ip_header_size(family)) return false;
  // The checksum does not cover Ethernet's padding.
  b = b.first(std::min<size_t>(b.size(), kEthernetSize + total_of(ip, family)));
  if (start + offset + 2 > b.size()) return false;
  // The field holds the sum of the pseudo-header and is summed with the rest. For UDP, 0 would mean "no checksum"; for
  // TCP 0 and 0xffff are equal, and the kernel writes 0xffff for both, too.
  store_be16(b, start + offset, never_zero(checksum_fold(checksum_add(b.subspan(start)))));
  frame.offload.flags &= static_cast<uint8_t>(~Offload::needs_checksum);
  frame.offload.checksum_start = frame.offload.checksum_offset = 0;
  return true;
}

}  // namespace rawvs
