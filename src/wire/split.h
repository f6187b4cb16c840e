// SPDX-License-Identifier: BSD-2-Clause
// split.h: cuts one frame into several: fragments, or the segments of a super-frame.
// In:  a frame that parse_ip() accepted, borrowed while it is cut; addresses and ports may have been rewritten.
// Out: one piece per call in the caller's buffer, as the kernel's ip_do_fragment() and tcp/udp_gso_segment() make them.
// Not: whether to cut, and where the pieces go (director.cpp).
// RFC: 791 section 3.2, 8200 section 4.5.
//
// The headroom of a piece is 0: a caller that needs headroom passes a buffer behind it and sets the piece's field.
#pragma once

#include "wire/packet.h"

namespace rawvs {

// Where the fragments of a reassembled packet began. Their payload is the packet's end; what lies before it, such as a
// tunnel's headers that were added since, belongs to the first piece.
struct Cuts {
  std::span<const uint16_t> at{};  // in units of eight bytes of that payload, ascending, 0 first
  uint32_t payload = 0;            // bytes
};

class Fragmenter {
 public:
  enum class DontFragment : uint8_t {  // what happens to a frame that is too large and has DF
    refuse,                            // it is not cut: valid() is false
    keep,                              // it is cut, pieces have DF: for packets that Reassembly put together
    clear,                             // it is cut, pieces have no DF
  };
  // mtu: bytes from the IP header on. A frame that fits is its own only piece, with its offload facts.
  // cuts: borrowed like the frame (reassembly.h). The frame is cut there even if it fits. If one of these pieces
  // exceeds mtu, all pieces are as large as mtu allows, as the kernel's are. A single cut, cuts beyond the payload, or
  // a first piece that is no multiple of eight bytes count as none. IPv6 has no DF: df is IPv4's alone. id: IPv6's
  // identification of the pieces, unique for source and destination. A fragment of IPv6 is not cut further: only its
  // sender may do that.
  Fragmenter(const Frame& whole, uint32_t mtu, DontFragment df = DontFragment::refuse, const Cuts& cuts = {},
             uint32_t id = 0);

  // False: the frame cannot be cut: DF; an IPv6 fragment; an mtu that leaves no eight bytes of payload; an end beyond
  // the largest offset; a partial checksum (call complete_checksum() first); a super-frame (use Segmenter first).
  bool valid() const { return valid_; }
  uint32_t largest_piece() const;  // bytes that `out` needs

  // The next piece. False: there are no more, or `out` is too small (then the piece can be asked for again).
  bool next(MutableBytes out, Frame& piece);

 private:
  struct Headers {  // as the packet states them, bytes
    uint32_t header = 0, payload = 0;
    bool sound = false;
    bool fragment = false;  // IPv6: one of several
  };
  Headers read_ipv4(Bytes packet);
  Headers read_ipv6(Bytes packet);
  void finish_ipv4(MutableBytes header, uint32_t size) const;
  void finish_ipv6(MutableBytes header, uint32_t size) const;

  Frame whole_{};
  Family family_ = Family::ipv4;
  uint32_t id_ = 0;        // IPv6
  uint32_t named_at_ = 0;  // IPv6: where the byte is that names the fragment header
  uint32_t inserted_ = 0;  // IPv6: bytes of the fragment header, if the frame is cut
  uint32_t header_ = 0;    // Ethernet and IP header; IPv6: and the extension headers before the fragment header
  uint32_t payload_ = 0;   // bytes after it
  uint32_t step_ = 0;      // payload bytes in each piece but the last; with cuts, in the largest
  uint32_t at_ = 0;        // payload bytes written
  std::span<const uint16_t> cuts_{};  // of the pieces after the next one
  uint32_t lead_ = 0;                 // bytes before what the cuts are of
  uint16_t word_ = 0;                 // the frame's own flags and offset
  bool valid_ = false, done_ = false;
};

class Segmenter {
 public:
  // packet: the offsets of the headers. Cuts by super.offload: tcp4, tcp6 and udp_l4.
  Segmenter(const Frame& super, const Packet& packet);

  bool valid() const { return valid_; }  // false: no such super-frame, a segment size of 0, or a fragment
  uint32_t largest_piece() const;        // bytes that `out` needs

  // The next segment. False: there are no more, or `out` is too small (then the segment can be asked for again).
  // Its checksum is partial if the super-frame's was, else whole.
  bool next(MutableBytes out, Frame& piece);

 private:
  void write_ip(MutableBytes header, uint32_t total) const;
  void write_tcp(MutableBytes l4, bool last) const;
  void write_checksum(Frame& piece) const;

  Frame super_{};
  uint32_t ip_at_ = 0, l4_at_ = 0;
  uint32_t header_ = 0;   // Ethernet, IP and TCP or UDP header
  uint32_t payload_ = 0;  // bytes after it
  uint32_t at_ = 0;       // payload bytes written
  uint16_t pieces_ = 0;   // pieces written
  Family family_ = Family::ipv4;
  bool tcp_ = false, valid_ = false, done_ = false;
};

// Turns a partial TCP or UDP checksum into a whole one, in place, and updates the offload facts. Needed before a frame
// is cut into fragments or covered by another checksum. False, and nothing done: there was no partial checksum, the
// protocol is another one (SCTP's checksum is no sum), or the field is not in the frame.
bool complete_checksum(Frame& frame);

}  // namespace rawvs
