// SPDX-License-Identifier: BSD-2-Clause
// ftp_stream.h: the two byte streams of an FTP control connection: their readers, and the edits to the server's stream.
// In:  the bytes of a direction in order, cut anywhere.
// Out: expected data connections, edits, mapped sequence numbers.
// Not: frames and TCP headers (ftp.h).
// RFC: 959 (replies: 4.2), 2428 (EPRT, EPSV), 2577 (bounce).
//
// No byte is held back: its replacement depends only on earlier bytes and on later ones in the same segment. Each class
// can be saved as bytes and restored (ftp_saved.cpp) when the director restarts.
#pragma once

#include <array>
#include <string_view>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

struct FtpExpectation {  // a data connection that will follow
  enum class Mode : uint8_t {
    passive,  // the client connects to this port of the server
    active,   // the server connects to this port of the client
  };
  Mode mode = Mode::passive;
  Port port{};
  friend bool operator==(const FtpExpectation&, const FtpExpectation&) = default;
};

struct FtpFound {  // what one segment announced
  std::array<FtpExpectation, 4> expected{};
  uint8_t count = 0;
  uint8_t refused = 0;  // replies and commands naming another host's address, or port 0
  bool empty() const { return count == 0 && refused == 0; }
  bool add(FtpExpectation::Mode mode, Port port) {  // false: it is full
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

// An address as PASV's reply writes it, with the comma after it: "192,0,2,100,". Empty for IPv6, which PASV does not
// know (RFC 2428): no text agrees with it.
struct FtpAddress {
  explicit FtpAddress(Ip address);
  std::array<char, 16> chars{};
  uint8_t size = 0;
  bool agrees(Bytes bytes) const;  // compares as many bytes as both have
  bool holds(uint32_t at, uint8_t c) const { return at < size && static_cast<uint8_t>(chars[at]) == c; }
};

// The edits to the server's stream. Each replaces one address (its region) by the VIP's text: the region's byte i
// becomes the text's character i, except the last character; the region's last byte, the comma after the fourth number,
// becomes the rest of the text. So the map from the server's sequence numbers to the client's is monotone, fixed for
// every byte once it was seen, and the same when the byte is repeated.
class FtpEdits {
 public:
  static constexpr uint32_t kMost = 8;
  explicit FtpEdits(Ip vip) : vip_(vip) {}
  const FtpAddress& vip() const { return vip_; }

  // Maps the server's number to the client's. Beyond the bytes seen: as if no edit followed.
  uint32_t to_client(uint32_t seq) const;
  // Maps the client's number to the server's: all bytes before it lie wholly before `seq` in the client's stream.
  uint32_t to_server(uint32_t seq) const;
  // The same for the left end of a SACK block: all bytes from it on lie wholly at or after `seq`.
  uint32_t to_server_left(uint32_t seq) const;
  // For a segment that is edited by itself: no edits, and the shift that applies at this number.
  FtpEdits apart(uint32_t seq) const;
  bool neutral() const { return count_ == 0 && base_ == 0; }

  bool open(uint32_t start);  // begins a region at this byte. False: kMost edits are not yet acknowledged
  void grow() { ++edits_[count_ - 1].length; }
  void finish() {
    edits_[count_ - 1].state = State::whole;
  }                                                      // the region's last byte was the comma after the fourth number
  void cut() { edits_[count_ - 1].state = State::cut; }  // the region ends without that comma
  void forget() { --count_; }                            // the region's bytes went out unchanged

  // The client has everything before `seq` (the client's number): the edits there become one shift. Repetitions of
  // those bytes get wrong numbers, but only numbers that the client has acknowledged: it discards them.
  void acknowledged(uint32_t seq);

  bool touches(uint32_t seq, size_t size) const;
  void emit(Bytes payload, uint32_t seq, MutableBytes out) const;  // out: to_client(end) - to_client(seq) bytes
  // The byte before `seq` where to_client() does not advance: a segment that becomes empty repeats this byte.
  uint8_t byte_before_silence() const { return static_cast<uint8_t>(vip_.chars[vip_.size - 2u]); }

  // Another director has edited the stream so far: all later numbers are shifted by this. False: the shift is too
  // large.
  [[nodiscard]] bool take_over(uint32_t shift);

  static constexpr size_t kSaved = 8 + kMost * 8;
  void save(MutableBytes out) const;  // out: kSaved bytes, all 0
  // next: of the server's stream. False: the bytes are no possible edits; this object must not be used then.
  [[nodiscard]] bool restore(Bytes in, uint32_t next);
  bool is_open() const { return count_ != 0 && edits_[count_ - 1].state == State::open; }

 private:
  enum class State : uint8_t { open, whole, cut };
  struct Edit {
    uint32_t start = 0;  // the server's number
    uint8_t length = 0;  // of the region, so far
    State state = State::open;
  };
  uint32_t emitted(const Edit& e) const;
  uint32_t emitted_before(const Edit& e, uint32_t at) const;

  std::array<Edit, kMost> edits_{};  // in the stream's order; only the last may be open
  uint32_t base_ = 0;                // the shift of all earlier edits, modulo 2^32
  FtpAddress vip_;
  uint8_t count_ = 0;
};

// Reads the server's replies. After a PASV, a 227 gives address and port, and its address is edited; a 229 is only
// read.
// Lines inside a multi-line reply are text without meaning (users can put a 227 there).
//
// The address is edited only if it is the server's own, which is certain only when all of it was seen. The bytes in one
// segment decide: from the first difference on nothing is edited; if the segment ends inside an address that agrees so
// far, that part is edited. If a later segment then continues with another address, the edit is forgotten when the
// bytes sent equal the original ones (VIP and server begin alike); else the region is finished as if it were the
// server's: the client reads the VIP's address and never a mixture, and no data connection is expected.
class FtpReplies {
 public:
  explicit FtpReplies(Ip server) : server_(server) {}
  // again: the command may be a repetition of one that was counted: then one reply is due, not one more.
  void asked_pasv(bool again = false) { ask(pasv_, again); }
  void asked_epsv(bool again = false) { ask(epsv_, again); }
  bool read(Bytes bytes, uint32_t seq, FtpEdits& edits, FtpFound& found);       // false: edits or found are full
  bool read_apart(Bytes line, uint32_t seq, FtpEdits& edits, FtpFound& found);  // a line outside the stream's order
  void lose_place(FtpEdits& edits);  // bytes are missing: continue at the next line

  static constexpr size_t kSaved = 20;
  void save(MutableBytes out) const;                               // as FtpEdits
  [[nodiscard]] bool restore(Bytes in, const FtpEdits& restored);  // restored: the edits saved with this reader

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
  uint8_t pasv_ = 0, epsv_ = 0;  // commands whose reply is due
  At at_ = At::code;
  uint8_t column_ = 0;              // of the reply code
  uint16_t code_ = 0, multi_ = 0;   // of this line; of the multi-line reply that it is part of, 0 = none
  uint32_t number_ = 0;             // the number being read
  uint8_t digits_ = 0, index_ = 0;  // of number_; which number, or which delimiter
  uint8_t position_ = 0;            // in the address's text
  uint8_t high_ = 0;                // the port's upper byte
  uint8_t delimiter_ = 0;           // EPSV's
  bool is_server_ = false,
       is_vip_ = false;   // the part of the address read so far agrees with the server's; with the VIP's
  bool editing_ = false;  // the last edit is open
};

// Reads the client's commands: PASV and EPSV make a reply due, PORT and EPRT announce an active data connection.
class FtpCommands {
 public:
  explicit FtpCommands(Ip client) : client_(client) {}
  bool read(Bytes bytes, FtpReplies& replies, FtpFound& found);  // false: found is full
  // A line outside the stream's order, perhaps one that was read already.
  bool read_apart(Bytes line, FtpReplies& replies, FtpFound& found) const;
  void lose_place() { too_long_ = true; }  // bytes are missing: continue at the next line

  static constexpr size_t kSaved = 4 + 48;  // a longer line is not saved: it would be in the midst of EPRT with IPv6
  void save(
      MutableBytes out) const;  // as FtpEdits; leaves out a line that cannot be such a command: it may be a password
  [[nodiscard]] bool restore(Bytes in);

 private:
  bool line(FtpReplies& replies, FtpFound& found) const;
  bool may_matter() const;  // judges the part of the line that was read

  Ip client_;
  size_t most() const { return client_.is_v4() ? 48 : line_.size(); }  // bytes of a line; blanks at its end count

  std::array<char, 64> line_{};  // longer than any command that matters
  uint8_t size_ = 0;
  bool too_long_ = false;
  bool again_ = false;  // the bytes being read may be a repetition
};

}  // namespace rawvs
