// SPDX-License-Identifier: BSD-2-Clause
// ftp.h: FTP's control connection through NAT: replies say the VIP's address, data connections are announced.
// In:  every segment of it in both directions, in the order of arrival, with its original addresses.
// Out: what to do with the segment, numbers mapped and payload rewritten; the data connections to expect.
// Any number of bytes may come in a segment, again and cut otherwise; each segment goes on at once or is dropped, which
// only makes its sender repeat it. Not: addresses and ports of the segment itself, entries for data connections
// (director.cpp), multi-line replies and commands (ftp_stream.h). RFC 9293, RFC 2018 (SACK), RFC 959, RFC 2428.
//
// Numbers that stand still, as no host's do: IPVS reads each segment by itself, and so does this room where a segment's
// number cannot be true, and the client's commands wherever they are not the next bytes. A repetition is nothing new.
//
// Left alone: the urgent pointer, timestamps, and a segment's size limit: one that already is as large as the way
// allows and holds a 227 grows by up to 8 bytes.
#pragma once

#include <memory>
#include <type_traits>

#include "core/ftp_stream.h"
#include "wire/packet.h"

namespace rawvs {

struct FtpDirection {
  uint32_t first = 0, next = 0;  // the first byte's number; the number of the byte to be read next
  bool started = false;          // else they mean nothing
  bool behind_syn = false;       // nothing can be before `first`
  bool mid_stream = false;       // it was taken over: its receiver may have bytes that were not seen here
  bool ended = false;            // its FIN was read,
  bool end_heard = false;        // and acknowledged
};

// The last bytes that were read of a stream: a segment that says otherwise about them is no repetition.
class FtpTail {
 public:
  void keep(Bytes bytes);
  void forget() { kept_ = 0; }
  bool contradicts(Bytes segment, size_t old) const;  // which begins `old` bytes before the stream's end

  static constexpr size_t kSaved = 12;
  void save(MutableBytes out) const;  // as FtpEdits
  [[nodiscard]] bool restore(Bytes in);

 private:
  std::array<uint8_t, 8> last_{};  // the newest behind
  uint8_t kept_ = 0;
};

struct FtpSession {
  FtpSession(Ip server_ip, Ip vip_ip, Ip client_ip);
  uint32_t children = 0;  // for the director: data connections that this one controls. Kept here, not used
  Ip server_addr, vip, client_addr;
  FtpDirection client, server;  // from there
  FtpTail server_tail;
  uint32_t offered = 0;         // the first byte's number by a SYN that was not believed; the server may do so
  bool has_offer = false;       // else it means nothing
  bool closed = false;          // a FIN or RST was seen: a SYN begins anew
  bool reset = false;           // it was a RST, and with the number that hosts believe
  bool untrue_numbers = false;  // the server's were seen to be
  FtpCommands commands;
  FtpReplies replies;
  FtpEdits edits;  // of the server's stream
  // No segment comes any more whose numbers or bytes matter.
  bool over() const { return reset || (client.end_heard && server.end_heard); }
};
static_assert(std::is_trivially_copyable_v<FtpSession> && sizeof(FtpSession) <= 256);

// A session as bytes that another process takes back: all of it, but the addresses and `children`. Numbers are
// big-endian. What is amid a line, and edits that are not acknowledged, go on there: a repeated segment is mapped and
// rewritten as it was.
inline constexpr size_t kFtpDirectionSaved = 12;
inline constexpr size_t kFtpSessionSaved =
    FtpEdits::kSaved + 8 + 2 * kFtpDirectionSaved + FtpTail::kSaved + FtpReplies::kSaved + FtpCommands::kSaved;
void save(const FtpSession& session, MutableBytes out);  // out: kFtpSessionSaved bytes, all 0
// False: no session is like that, and this one must not be used.
[[nodiscard]] bool restore(FtpSession& session, Bytes in);

struct FtpOutcome {
  enum class What : uint8_t {
    forward,       // send the frame that came; its numbers were mapped in place
    rewritten,     // send the new frame (from_server only)
    out_of_order,  // drop: bytes before it were not seen yet
    crowded,       // drop: too much in it, or too much not yet acknowledged, or it would become too large
    fragment,      // drop: IP fragments cannot be read
  };
  What what = What::forward;
  FtpFound found{};  // expectations, and refused addresses to be counted; empty when dropped
};

// For a session that is taken when a connection's first segment with content comes, from whichever side: both streams
// begin there. Without this call they are taken over in mid-stream.
void begin_with(FtpSession& session, const Packet& first_content, bool from_client);

// A segment from the client. Its payload stays as it is; its ACK number and SACK blocks are mapped in place.
FtpOutcome from_client(FtpSession& session, const Frame& frame, const Packet& packet);

// A segment from the server. When rewritten, the new frame is in `out` from its first byte on, offload facts and
// checksums kept right (a checksum that was wrong stays wrong); its headroom is 0 until the caller says better. `out`
// should have kFtpGrowth bytes more than the frame. `in` keeps its bytes then.
FtpOutcome from_server(FtpSession& session, const Frame& in, const Packet& packet, MutableBytes out, Frame& rewritten);
// "8 edits at most, each of 8 characters that become 16", and the repeated byte.
inline constexpr size_t kFtpGrowth = size_t{FtpEdits::kMost} * 8 + 1;

class FtpSessions {  // a fixed number of them; memory is touched when used
 public:
  explicit FtpSessions(uint16_t capacity);
  uint16_t take(Ip server, Ip vip, Ip client);  // a new session. 0: all are in use
  void release(uint16_t index);
  // Of one that is taken; null for 0 and for what never was. A released one's is nobody's.
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
  uint32_t fresh_ = 1;  // indices from here on were never used
  uint16_t free_ = 0;   // released ones, linked
};

}  // namespace rawvs
