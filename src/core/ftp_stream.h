// SPDX-License-Identifier: BSD-2-Clause
// ftp_stream.h: the two byte streams of an FTP control connection: what is read in them, and the edits made to one.
// In:  the bytes of a direction in order, cut anywhere.   Out: expected data connections, edits, mapped numbers.
// Nothing is held back: a byte's replacement depends only on bytes before it and behind it in the same segment.
// Each can be put into bytes and taken back from them (ftp_saved.cpp), for a director that is restarted.
// Not: frames and TCP headers (ftp.h). RFC 959 (replies: 4.2), RFC 2428 (EPRT, EPSV), RFC 2577 (bounce).
#pragma once

#include <array>
#include <string_view>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

struct FtpExpectation {  // a data connection that is about to come
  enum class Mode : uint8_t {
    passive,  // the client connects to this port of the server
    active,   // the server connects to this port of the client
  };
  Mode mode = Mode::passive;
  Port port{};
  friend bool operator==(const FtpExpectation&, const FtpExpectation&) = default;
};

struct FtpFound {  // in one segment
  std::array<FtpExpectation, 4> expected{};
  uint8_t count = 0;
  uint8_t refused = 0;  // replies and commands naming another host's address, or port 0
  bool empty() const { return count == 0 && refused == 0; }
  bool add(FtpExpectation::Mode mode, Port port) {  // false: there is no room for more
    if (port.value == 0) return refuse();
    if (count == expected.size()) return false;
    expected[count++] = {mode, port};
    return true;
  }
  bool refuse() {
    if (refused < 255) ++refused;
    return true;
  }
};

struct FtpAddress {  // as PASV's reply writes it, with the comma behind: "192,0,2,100,"
  explicit FtpAddress(Ip address);
  std::array<char, 16> chars{};
  uint8_t size = 0;
  bool agrees(Bytes bytes) const;  // as far as both go
  bool holds(uint32_t at, uint8_t c) const { return at < size && static_cast<uint8_t>(chars[at]) == c; }
};

// The edits made to the server's stream. Each replaces one address by the VIP's text. Of the region's bytes each puts
// out the text's character of its own index, but never the last one; the region's last byte, the comma behind the
// fourth number, puts out all that is left of the text. So the way from sequence numbers as the server counts to those
// that the client sees is monotone, fixed for every byte as soon as it has been seen, and the same when it is repeated.
class FtpEdits {
 public:
  static constexpr uint32_t kMost = 8;
  explicit FtpEdits(Ip vip) : vip_(vip) {}
  const FtpAddress& vip() const { return vip_; }

  // The server's number as the client sees it. Behind what was seen: as if no edit came.
  uint32_t to_client(uint32_t seq) const;
  // The client's number as the server counts: all bytes before it are wholly before `seq` in the client's stream.
  uint32_t to_server(uint32_t seq) const;
  // The same for the left end of a SACK block: all bytes from it on are wholly at or behind `seq`.
  uint32_t to_server_left(uint32_t seq) const;
  // For a segment that is edited by itself: no edits, and the shift of this number as it is here.
  FtpEdits apart(uint32_t seq) const;
  bool neutral() const { return count_ == 0 && base_ == 0; }

  bool open(uint32_t start);  // a region begins with this byte. False: kMost edits are not yet acknowledged
  void grow() { ++edits_[count_ - 1].length; }
  void finish() { edits_[count_ - 1].state = State::whole; }  // its last byte was the comma behind the fourth number
  void cut() { edits_[count_ - 1].state = State::cut; }       // it ends without one
  void forget() { --count_; }                                 // its bytes were put out as they came

  // The client has all before `seq` (its own count): the edits there become one shift. What is repeated from before
  // then gets wrong numbers, but only such that the client has acknowledged, and throws away.
  void acknowledged(uint32_t seq);

  bool touches(uint32_t seq, size_t size) const;
  void emit(Bytes payload, uint32_t seq, MutableBytes out) const;  // out: to_client(behind) - to_client(seq) bytes
  // The byte before `seq` where to_client() stands still: what a segment that puts out nothing repeats.
  uint8_t byte_before_silence() const { return static_cast<uint8_t>(vip_.chars[vip_.size - 2u]); }

  // Another director has edited so far: all that comes from now on is shifted by so much. False: by too much.
  [[nodiscard]] bool take_over(uint32_t shift);

  static constexpr size_t kSaved = 8 + kMost * 8;
  void save(MutableBytes out) const;  // out: kSaved bytes, all 0
  // next: of the server's stream. False, and nothing is to be used of it: no edits are like that.
  [[nodiscard]] bool restore(Bytes in, uint32_t next);
  bool is_open() const { return count_ != 0 && edits_[count_ - 1].state == State::open; }

 private:
  enum class State : uint8_t { open, whole, cut };
  struct Edit {
    uint32_t start = 0;  // as the server counts
    uint8_t length = 0;  // of the region, so far
    State state = State::open;
  };
  uint32_t emitted(const Edit& e) const;
  uint32_t emitted_before(const Edit& e, uint32_t at) const;

  std::array<Edit, kMost> edits_{};  // in the stream's order; only the last may be open
  uint32_t base_ = 0;                // what the edits before these shift by, modulo 2^32
  FtpAddress vip_;
  uint8_t count_ = 0;
};

// The server's replies. A 227 is read for the address and port that a PASV asked for, and its address edited; a 229
// only read. Lines inside a multi-line reply are text and mean nothing (users can put a 227 there).
//
// The address is edited when it is the server's own, which is known for certain only when all of it was seen. What a
// segment holds of it decides: as soon as it differs nothing is edited. When a segment ends amid an address that agrees
// so far, that part is edited. Should a later segment then bring another address, what has gone out decides: if it
// equals what came (VIP and server begin alike) the edit is forgotten; else the region is finished as if it were the
// server's, so that the client reads the VIP's address and never a mixture of two, but nothing is expected there.
class FtpReplies {
 public:
  explicit FtpReplies(Ip server) : server_(server) {}
  // `again`: it may be one that was counted already, so one reply is due, not one more.
  void asked_pasv(bool again = false) { ask(pasv_, again); }
  void asked_epsv(bool again = false) { ask(epsv_, again); }
  bool read(Bytes bytes, uint32_t seq, FtpEdits& edits, FtpFound& found);       // false: no room in one of them
  bool read_apart(Bytes line, uint32_t seq, FtpEdits& edits, FtpFound& found);  // wherever the stream stands
  void lose_place(FtpEdits& edits);  // bytes are missing: wait for the next line

  static constexpr size_t kSaved = 20;
  void save(MutableBytes out) const;                               // as FtpEdits
  [[nodiscard]] bool restore(Bytes in, const FtpEdits& restored);  // restored: with this reader

 private:
  enum class At : uint8_t { code, rest, scan, digits, numbers, parenthesis, delimiters, port };
  static void ask(uint8_t& due, bool again) {
    if (due < 255 && !(again && due != 0)) ++due;
  }
  bool step(Bytes from_here, uint32_t seq, FtpEdits& edits, FtpFound& found);
  void step_code(uint8_t c);
  bool start_numbers(Bytes from_here, uint32_t seq, FtpEdits& edits);
  bool step_numbers(uint8_t c, FtpEdits& edits, FtpFound& found);
  bool end_numbers(uint8_t c, FtpEdits& edits, FtpFound& found);
  void step_address(uint8_t c, FtpEdits& edits);
  void step_extended(uint8_t c);
  bool step_port(uint8_t c, FtpFound& found);

  FtpAddress server_;
  uint8_t pasv_ = 0, epsv_ = 0;  // commands without their reply so far
  At at_ = At::code;
  uint8_t column_ = 0;                       // of the reply code
  uint16_t code_ = 0, multi_ = 0;            // this line's; that of the multi-line reply we are in, 0 = none
  uint32_t number_ = 0;                      // being read
  uint8_t digits_ = 0, index_ = 0;           // of number_; which number, or delimiter
  uint8_t position_ = 0;                     // in the address's text
  uint8_t high_ = 0;                         // the port's upper byte
  uint8_t delimiter_ = 0;                    // EPSV's
  bool is_server_ = false, is_vip_ = false;  // the address so far is that of ...
  bool editing_ = false;                     // the last of the edits is open
};

// The client's commands: PASV and EPSV tell the replies what is due, PORT and EPRT announce an active data connection.
class FtpCommands {
 public:
  explicit FtpCommands(Ip client) : client_(client) {}
  bool read(Bytes bytes, FtpReplies& replies, FtpFound& found);  // false: no room in found
  // Wherever the stream stands, and perhaps a line that was read already.
  bool read_apart(Bytes line, FtpReplies& replies, FtpFound& found) const;
  void lose_place() { too_long_ = true; }  // bytes are missing: wait for the next line

  static constexpr size_t kSaved = 4 + 48;
  void save(MutableBytes out) const;  // as FtpEdits; nothing of a line that cannot matter: it may be a password
  [[nodiscard]] bool restore(Bytes in);

 private:
  bool line(FtpReplies& replies, FtpFound& found) const;
  bool may_matter() const;  // the line, as far as it has come

  Ip client_;
  std::array<char, 48> line_{};  // longer than any command that matters; blanks at its end count
  uint8_t size_ = 0;
  bool too_long_ = false;
  bool again_ = false;  // what is read may be a repetition
};

}  // namespace rawvs
