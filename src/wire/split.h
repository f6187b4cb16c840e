// SPDX-License-Identifier: BSD-2-Clause
// split.h: one frame becomes several: fragments (RFC 791 section 3.2), or the segments that a super-frame stands for.
// In:  a frame that parse_ipv4() has seen, borrowed while it is being cut.   Out: one piece per call, written into the
// caller's buffer. The pieces' headroom is 0: whoever wants some passes a buffer behind it and says so in the piece.
// Not: whether to cut, and where the pieces go (director.cpp). Pieces are what the kernel's ip_do_fragment() and
// tcp/udp_gso_segment() make. Everything is read from the frame's bytes, so addresses and ports may have been
// rewritten.
#pragma once

#include "wire/packet.h"

namespace rawvs {

class Fragmenter {
 public:
  enum class DontFragment : uint8_t {  // a frame that is too large and has DF is ...
    refuse,                            // not cut: valid() is false
    keep,                              // cut, pieces with DF: what Reassembly put together is cut as it had been
    clear,                             // cut, pieces without DF
  };
  // mtu counts from the IP header on. A frame that fits is its own only piece, offload facts and all.
  // cuts: where the pieces begin, in units of eight bytes of payload, ascending, 0 first: as it came in fragments
  // (reassembly.h). It is cut so whether it fits or not; but when one of these pieces is too large, all are as large as
  // mtu allows, as the kernel's are. Borrowed like the frame. One cut, or cuts beyond the payload, are as good as none.
  Fragmenter(const Frame& whole, uint32_t mtu, DontFragment df = DontFragment::refuse,
             std::span<const uint16_t> cuts = {});

  // False: cannot be cut. DF; an mtu that leaves no eight bytes; an end beyond what an offset can say; a checksum that
  // is still partial (complete_checksum() first); a super-frame (Segmenter first).
  bool valid() const { return valid_; }
  uint32_t largest_piece() const;  // bytes that `out` needs

  // The next piece; false: there are no more, or `out` is too small for this one (then nothing is lost).
  bool next(MutableBytes out, Frame& piece);

 private:
  Frame whole_{};
  uint32_t header_ = 0;               // Ethernet and IP header
  uint32_t payload_ = 0;              // bytes behind it
  uint32_t step_ = 0;                 // of them in each piece but the last; with cuts, in the largest
  uint32_t at_ = 0;                   // of them written
  std::span<const uint16_t> cuts_{};  // of pieces that are not yet written, but the next
  uint16_t word_ = 0;                 // the whole's own flags and offset
  bool valid_ = false, done_ = false;
};

class Segmenter {
 public:
  // packet: where the headers lie. What super.offload says is done: tcp4 and udp_l4.
  Segmenter(const Frame& super, const Packet& packet);

  bool valid() const { return valid_; }  // false: not such a super-frame, a segment size of 0, or a fragment
  uint32_t largest_piece() const;        // bytes that `out` needs

  // The next segment; false: there are no more, or `out` is too small for this one (then nothing is lost).
  // Its checksum is partial where the super-frame's was, else whole.
  bool next(MutableBytes out, Frame& piece);

 private:
  void write_tcp(MutableBytes l4, bool last) const;
  void write_checksum(Frame& piece) const;

  Frame super_{};
  uint32_t ip_at_ = 0, l4_at_ = 0;
  uint32_t header_ = 0;   // Ethernet, IP and TCP or UDP header
  uint32_t payload_ = 0;  // bytes behind it
  uint32_t at_ = 0;       // of them written
  uint16_t pieces_ = 0;   // written
  bool tcp_ = false, valid_ = false, done_ = false;
};

// A partial TCP or UDP checksum becomes a whole one, in place, and the offload facts say so: before a frame is cut into
// fragments, or another checksum covers it. False, and nothing done: there was no partial checksum, it is another
// protocol's (SCTP's is no sum), or its place is not in the frame.
bool complete_checksum(Frame& frame);

}  // namespace rawvs
