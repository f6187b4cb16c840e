// SPDX-License-Identifier: BSD-2-Clause
// ftp.h: FTP's control connection through NAT: replies name the VIP's address, data connections are announced.
// In:  every segment in both directions, in the order of arrival, with its original addresses.
// Out: what to do with the segment, with numbers mapped and payload rewritten; the data connections to expect.
// Not: addresses and ports of the segment, entries for data connections (director.cpp); lines and commands
// (ftp_stream.h).
// RFC: 9293, 2018 (SACK), 959, 2428.
//
// A segment may hold any number of bytes, and repeat bytes with other boundaries. It is forwarded at once or dropped;
// its sender repeats a dropped one.
//
// IPVS reads each segment by itself. So does this module with a server's segment whose sequence number cannot be true,
// and with a client's segment that is not the next one. A repetition has no effect.
//
// Not changed: the urgent pointer, timestamps, and the size limit of segments: a full segment with a 227 grows by up to
// 8 bytes.
#pragma once

#include <memory>
#include <type_traits>

#include "core/ftp_stream.h"
#include "wire/packet.h"

namespace rawvs {

struct FtpDirection {
  uint32_t first = 0, next = 0;  // sequence numbers: of the first byte, and of the next byte to read
  bool started = false;          // else first and next have no meaning
  bool behind_syn = false;       // `first` follows the SYN: nothing comes before it
  bool mid_stream = false;       // taken over in mid-stream: its receiver may have bytes that were not seen here
  bool ended = false;            // its FIN was read
  bool end_heard = false;        // its FIN was acknowledged
};

// The last bytes read of a stream: a segment with other bytes in their place is no repetition.
class FtpTail {
 public:
  void keep(Bytes bytes);
  void forget() { kept_ = 0; }
  bool contradicts(Bytes segment, size_t old) const;  // the segment begins `old` bytes before the stream's end

  static constexpr size_t kSaved = 12;
  void save(MutableBytes out) const;  // as FtpEdits
  [[nodiscard]] bool restore(Bytes in);

 private:
  std::array<uint8_t, 8> last_{};  // the newest last
  uint8_t kept_ = 0;
};

struct FtpSession {
  FtpSession(Ip server_ip, Ip vip_ip, Ip client_ip);
  uint32_t children = 0;  // data connections that this session's connection controls; kept for the director
  Ip server_addr, vip, client_addr;
  FtpDirection client, server;  // the streams from the client and from the server
  FtpTail server_tail;
  uint32_t offered =
      0;  // the first sequence number of a client's SYN that was not accepted here; the server may accept it
  bool has_offer = false;       // else `offered` has no meaning
  bool closed = false;          // a FIN or RST was seen: a SYN begins a new session
  bool reset = false;           // a RST was seen, with a number that hosts accept
  bool untrue_numbers = false;  // the server sent a sequence number that cannot be true
  FtpCommands commands;
  FtpReplies replies;
  FtpEdits edits;  // of the server's stream
  // True when numbers and bytes of further segments do not matter.
  bool over() const { return reset || (client.end_heard && server.end_heard); }
};
static_assert(std::is_trivially_copyable_v<FtpSession> && sizeof(FtpSession) <= 384);

// A session as bytes for another process: everything but the addresses and `children`; numbers are big-endian. A partly
// read line and unacknowledged edits are included: a repeated segment is mapped and rewritten as before.
inline constexpr size_t kFtpDirectionSaved = 12;
inline constexpr size_t kFtpSessionSaved =
    FtpEdits::kSaved + 8 + 2 * kFtpDirectionSaved + FtpTail::kSaved + FtpReplies::kSaved + FtpCommands::kSaved;
void save(const FtpSession& session, MutableBytes out);  // out: kFtpSessionSaved bytes, all 0
// False: the bytes are no possible session; this one must not be used then.
[[nodiscard]] bool restore(FtpSession& session, Bytes in);

struct FtpOutcome {
  enum class What : uint8_t {
    forward,       // send the frame that came; its numbers were mapped in place
    rewritten,     // send the new frame (from_server only)
    out_of_order,  // drop: bytes before it were not seen yet
    crowded,   // drop: it has too many edits or data connections, too many edits are unacknowledged, or it would become
               // too large
    fragment,  // drop: IP fragments cannot be read
  };
  What what = What::forward;
  FtpFound found{};  // data connections and the number of refused addresses; empty when dropped
};

// Starts both streams at the connection's first segment with content, from either side. Without this call they are
// taken over in mid-stream.
void begin_with(FtpSession& session, const Packet& first_content, bool from_client);

// A segment from the client. Its payload is not changed; its ACK number and SACK blocks are mapped in place.
FtpOutcome from_client(FtpSession& session, const Frame& frame, const Packet& packet);

// A segment from the server. When rewritten, the new frame begins at out's first byte, with offload facts and checksums
// updated (a wrong checksum stays wrong) and a headroom of 0; the bytes of `in` are not changed. `out` needs kFtpGrowth
// bytes more than the frame has.
FtpOutcome from_server(FtpSession& session, const Frame& in, const Packet& packet, MutableBytes out, Frame& rewritten);
// At most 8 edits, each of which turns 8 characters into 16, and the repeated byte.
inline constexpr size_t kFtpGrowth = size_t{FtpEdits::kMost} * 8 + 1;

class FtpSessions {  // a fixed number of sessions; memory is touched when used
 public:
  explicit FtpSessions(uint16_t capacity);
  uint16_t take(Ip server, Ip vip, Ip client);  // a new session; 0: all are in use
  void release(uint16_t index);
  // REQUIRES: the session is in use. Null for 0 and for an index that was never used.
  const FtpSession* at(uint16_t index) const { return const_cast<FtpSessions*>(this)->at(index); }
  FtpSession* at(uint16_t index) { return index != 0 && index < fresh_ ? &slots_[index - 1u].session : nullptr; }
  uint16_t size() const { return used_; }
  uint16_t capacity() const { return capacity_; }

 private:
  union Slot {
    Slot() {}  // NOLINT(modernize-use-equals-default): writes nothing, so the memory stays untouched
    FtpSession session;
    uint16_t next_free;
  };
  std::unique_ptr<Slot[]> slots_;
  uint16_t capacity_;
  uint16_t used_ = 0;
  uint32_t fresh_ = 1;  // this index and all later ones were never used
  uint16_t free_ = 0;   // released ones, as a list
};

}  // namespace rawvs
