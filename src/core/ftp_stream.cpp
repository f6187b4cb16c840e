// SPDX-License-Identifier: BSD-2-Clause
// ftp_stream.cpp: the edits to the server's stream, and the two readers, byte by byte.
#include "core/ftp_stream.h"
#include "wire/l4_header.h"

#include <algorithm>
#include <optional>

namespace rawvs {

namespace {

constexpr uint32_t kMostDigits = 3, kMostByte = 255;  // of a number in an address
constexpr uint32_t kAddressNumbers = 4, kLastNumber = 5;

constexpr bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

}  // namespace

FtpAddress::FtpAddress(Ip address) {
  if (address.is_v6()) return;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const uint32_t number = address.v4() >> shift & 255;
    if (number >= 100) chars[size++] = static_cast<char>('0' + number / 100);
    if (number >= 10) chars[size++] = static_cast<char>('0' + number / 10 % 10);
    chars[size++] = static_cast<char>('0' + number % 10);
    chars[size++] = ',';
  }
}

bool FtpAddress::agrees(Bytes bytes) const {
  if (size == 0) return false;
  const size_t n = std::min<size_t>(bytes.size(), size);
  return std::equal(chars.begin(), chars.begin() + static_cast<std::ptrdiff_t>(n), bytes.begin(),
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

// --- edits --------------------------------------------------------------------------------------------------------

uint32_t FtpEdits::emitted(const Edit& e) const {
  return e.state == State::whole ? vip_.size : std::min<uint32_t>(e.length, vip_.size - 1u);
}

// The number of bytes that the first `at` bytes of a region become.
uint32_t FtpEdits::emitted_before(const Edit& e, uint32_t at) const {
  return at >= e.length ? emitted(e) : std::min<uint32_t>(at, vip_.size - 1u);
}

uint32_t FtpEdits::to_client(uint32_t seq) const {
  uint32_t shift = base_;
  for (uint32_t i = 0; i < count_; ++i) {
    const Edit& e = edits_[i];
    const int32_t in = distance(e.start, seq);
    if (in <= 0) break;
    if (in < e.length) return e.start + shift + emitted_before(e, static_cast<uint32_t>(in));
    shift += emitted(e) - e.length;
  }
  return seq + shift;
}

uint32_t FtpEdits::to_server(uint32_t seq) const {
  uint32_t shift = base_;
  for (uint32_t i = 0; i < count_; ++i) {
    const Edit& e = edits_[i];
    const int32_t in = distance(e.start + shift, seq);
    if (in <= 0) break;
    if (static_cast<uint32_t>(in) < emitted(e)) {
      // Bytes that became nothing lie wholly before; the last one only with the end of the text.
      const auto bytes = static_cast<uint32_t>(in) >= vip_.size - 1u ? e.length : static_cast<uint32_t>(in);
      return e.start + std::min<uint32_t>(bytes, e.length - 1u);
    }
    shift += emitted(e) - e.length;
  }
  return seq - shift;
}

uint32_t FtpEdits::to_server_left(uint32_t seq) const {
  const uint32_t at = to_server(seq);
  return to_client(at) == seq ? at : at + 1;
}

FtpEdits FtpEdits::apart(uint32_t seq) const {
  FtpEdits none = *this;
  none.count_ = 0;
  none.base_ = to_client(seq) - seq;
  return none;
}

bool FtpEdits::open(uint32_t start) {
  if (count_ == kMost) return false;
  edits_[count_++] = {start, 0, State::open};
  return true;
}

void FtpEdits::acknowledged(uint32_t seq) {
  uint32_t over = 0;
  while (over < count_) {
    const Edit& e = edits_[over];
    if (e.state == State::open || distance(e.start + base_ + emitted(e), seq) < 0) break;
    base_ += emitted(e) - e.length;
    ++over;
  }
  if (over == 0) return;
  std::copy(edits_.begin() + over, edits_.begin() + count_, edits_.begin());
  count_ = static_cast<uint8_t>(count_ - over);
}

bool FtpEdits::touches(uint32_t seq, size_t size) const {
  return std::any_of(edits_.begin(), edits_.begin() + count_, [&](const Edit& e) {
    const int32_t from = distance(seq, e.start);
    return from < static_cast<int32_t>(size) && from + e.length > 0;
  });
}

void FtpEdits::emit(Bytes payload, uint32_t seq, MutableBytes out) const {
  size_t put = 0;
  int32_t at = 0;
  const auto size = static_cast<int32_t>(payload.size());
  const auto copy_until = [&](int32_t end) {
    if (end <= at) return;
    const auto n = static_cast<size_t>(end - at);
    std::copy_n(payload.begin() + at, n, out.begin() + static_cast<std::ptrdiff_t>(put));
    put += n;
    at = end;
  };
  for (uint32_t i = 0; i < count_; ++i) {
    const Edit& e = edits_[i];
    const int32_t from = distance(seq, e.start);
    if (from >= size) break;
    if (from + e.length <= at) continue;
    copy_until(from);
    const int32_t end = std::min(from + e.length, size);
    const uint32_t text_at = emitted_before(e, static_cast<uint32_t>(at - from));
    const uint32_t text_end = emitted_before(e, static_cast<uint32_t>(end - from));
    for (uint32_t c = text_at; c < text_end; ++c) out[put++] = static_cast<uint8_t>(vip_.chars[c]);
    at = end;
  }
  copy_until(size);
}

// --- replies ------------------------------------------------------------------------------------------------------

bool FtpReplies::read(Bytes bytes, uint32_t seq, FtpEdits& edits, FtpFound& found) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (!step(bytes.subspan(i), seq + static_cast<uint32_t>(i), edits, found)) return false;
  }
  return true;
}

bool FtpReplies::read_apart(Bytes line, uint32_t seq, FtpEdits& edits, FtpFound& found) {
  FtpReplies apart(*this);
  apart.at_ = At::code;
  apart.column_ = 0;
  apart.code_ = apart.multi_ = 0;
  apart.editing_ = false;
  const bool room = apart.read(line, seq, edits, found);
  pasv_ = apart.pasv_;
  epsv_ = apart.epsv_;
  return room;
}

void FtpReplies::lose_place(FtpEdits& edits) {
  if (editing_) edits.cut();
  editing_ = false;
  multi_ = 0;
  at_ = At::rest;
}

bool FtpReplies::step(Bytes from_here, uint32_t seq, FtpEdits& edits, FtpFound& found) {
  const uint8_t c = from_here[0];
  bool room = true;
  switch (at_) {
    case At::code: step_code(c); break;
    case At::rest: break;
    case At::digits:
      if (!is_digit(c)) at_ = At::scan;
      break;
    case At::scan:
      if (is_digit(c)) room = start_numbers(from_here, seq, edits) && step_numbers(c, edits, found);
      break;
    case At::numbers: room = step_numbers(c, edits, found); break;
    case At::parenthesis:
    case At::delimiters: step_extended(c); break;
    case At::port: room = step_port(c, found); break;
  }
  if (c == '\n') {  // ends any line
    at_ = At::code;
    column_ = 0;
    code_ = 0;
  }
  return room;
}

void FtpReplies::step_code(uint8_t c) {
  constexpr uint8_t kDigits = 3;
  constexpr uint16_t kPassive = 227, kExtendedPassive = 229;
  if (column_ < kDigits) {
    if (!is_digit(c)) at_ = At::rest;
    code_ = static_cast<uint16_t>(code_ * 10 + (c - '0'));
    ++column_;
    return;
  }
  at_ = At::rest;
  if (multi_ != 0 && (c != ' ' || code_ != multi_)) return;  // text inside a multi-line reply
  multi_ = c == '-' ? code_ : uint16_t{0};
  if (c != ' ') return;
  if (code_ == kPassive && pasv_ != 0) {
    --pasv_;
    at_ = At::scan;
  } else if (code_ == kExtendedPassive && epsv_ != 0) {
    --epsv_;
    at_ = At::parenthesis;
  }
}

bool FtpReplies::start_numbers(Bytes from_here, uint32_t seq, FtpEdits& edits) {
  at_ = At::numbers;
  number_ = 0;
  digits_ = index_ = position_ = 0;
  is_server_ = is_vip_ = true;
  if (!server_.agrees(from_here)) return true;
  editing_ = true;
  return edits.open(seq);
}

bool FtpReplies::step_numbers(uint8_t c, FtpEdits& edits, FtpFound& found) {
  const bool address = index_ < kAddressNumbers;
  const bool more_digits = is_digit(c) && digits_ < kMostDigits && number_ * 10 + (c - '0') <= kMostByte;
  const bool separator = c == ',' && digits_ != 0 && index_ < kLastNumber;
  if (!more_digits && !separator) return end_numbers(c, edits, found);
  if (address) step_address(c, edits);
  if (more_digits) {
    number_ = number_ * 10 + (c - '0');
    ++digits_;
    return true;
  }
  ++index_;
  if (index_ == kLastNumber) high_ = static_cast<uint8_t>(number_);
  number_ = 0;
  digits_ = 0;
  if (index_ == kAddressNumbers && editing_) {
    edits.finish();
    editing_ = false;
  }
  return true;
}

void FtpReplies::step_address(uint8_t c, FtpEdits& edits) {
  const bool was_server = is_server_, was_vip = is_vip_;
  is_server_ = is_server_ && server_.holds(position_, c);
  is_vip_ = is_vip_ && edits.vip().holds(position_, c);
  ++position_;
  if (!editing_) return;
  if (was_server && !is_server_ && was_vip) {  // another address, but the bytes sent equal the original ones
    edits.forget();
    editing_ = false;
  } else {
    edits.grow();
  }
}

bool FtpReplies::end_numbers(uint8_t c, FtpEdits& edits, FtpFound& found) {
  if (index_ == kLastNumber && digits_ != 0 && !is_digit(c)) {
    at_ = At::rest;
    if (!is_server_ && !is_vip_) return found.refuse();
    return found.add(FtpExpectation::Mode::passive, Port(static_cast<uint16_t>(uint32_t{high_} << 8 | number_)));
  }
  if (editing_) edits.cut();
  editing_ = false;
  at_ = is_digit(c) ? At::digits : At::scan;
  return true;
}

void FtpReplies::step_extended(uint8_t c) {  // "(|||6446|)" up to the port
  constexpr uint8_t kFirstDelimiter = 33, kLastDelimiter = 126, kDelimiters = 3;
  if (at_ == At::parenthesis) {
    if (c == '(') at_ = At::delimiters, index_ = 0;
    return;
  }
  if (index_ == 1 && delimiter_ == '(' && c != '(') index_ = 0;  // "((|||": the first one was no delimiter
  if (index_ == 0) delimiter_ = c;
  if (c < kFirstDelimiter || c > kLastDelimiter || c != delimiter_) {
    at_ = At::parenthesis;
    return;
  }
  if (++index_ == kDelimiters) {
    at_ = At::port;
    number_ = 0;
    digits_ = 0;
  }
}

bool FtpReplies::step_port(uint8_t c, FtpFound& found) {
  constexpr uint32_t kMostPortDigits = 5, kMostPort = 65535;
  if (c == delimiter_ && digits_ != 0) {
    at_ = At::rest;
    return found.add(FtpExpectation::Mode::passive, Port(static_cast<uint16_t>(number_)));
  }
  if (c == delimiter_ || !is_digit(c) || digits_ == kMostPortDigits || number_ * 10 + (c - '0') > kMostPort) {
    at_ = At::parenthesis;
    return true;
  }
  number_ = number_ * 10 + (c - '0');
  ++digits_;
  return true;
}

// --- commands -----------------------------------------------------------------------------------------------------

namespace {

bool same_word(std::string_view typed, std::string_view upper) {
  return std::equal(typed.begin(), typed.end(), upper.begin(), upper.end(),
                    [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; });
}

std::optional<Endpoint> parse_port_command(std::string_view s) {  // h1,h2,h3,h4,p1,p2
  uint64_t all = 0;
  for (uint32_t i = 0; i <= kLastNumber; ++i) {
    const std::string_view number = s.substr(0, s.find(','));
    const auto value = number.size() <= kMostDigits ? parse_number(number, kMostByte) : std::nullopt;
    if (!value || (i == kLastNumber) != (number.size() == s.size())) return std::nullopt;
    all = all << 8 | *value;
    s.remove_prefix(std::min(s.size(), number.size() + 1));
  }
  return Endpoint{Ip(static_cast<uint32_t>(all >> 16)), Port(static_cast<uint16_t>(all))};
}

// The number of the address's family in commands (RFC 2428 section 2).
const char* protocol_word(Ip address) { return address.is_v4() ? "1" : "2"; }

std::optional<Endpoint> parse_eprt_command(std::string_view s,
                                           Family family) {  // |1|192.0.2.1|6446|, |2|2001:db8::1|6446|
  if (s.empty() || s.front() < 33 || s.front() > 126) return std::nullopt;
  const char delimiter = s.front();
  s.remove_prefix(1);
  std::array<std::string_view, 3> parts;
  for (std::string_view& part : parts) {
    const size_t end = s.find(delimiter);
    if (end == std::string_view::npos) return std::nullopt;
    part = s.substr(0, end);
    s.remove_prefix(end + 1);
  }
  const auto address = parse_ip(parts[1]);
  const auto port = parse_number(parts[2], 65535);
  if (!s.empty() || !address || !port) return std::nullopt;
  if (address->family() != family || parts[0] != protocol_word(*address)) return std::nullopt;
  return Endpoint{*address, Port(static_cast<uint16_t>(*port))};
}

}  // namespace

bool FtpCommands::read(Bytes bytes, FtpReplies& replies, FtpFound& found) {
  for (const uint8_t c : bytes) {
    if (c != '\n') {
      if (size_ == most()) too_long_ = true;
      if (!too_long_) line_[size_++] = static_cast<char>(c);
      continue;
    }
    if (!too_long_ && !line(replies, found)) return false;
    too_long_ = false;
    size_ = 0;
  }
  return true;
}

bool FtpCommands::read_apart(Bytes line, FtpReplies& replies, FtpFound& found) const {
  FtpCommands apart(client_);
  apart.again_ = true;
  return apart.read(line, replies, found);
}

bool FtpCommands::line(FtpReplies& replies, FtpFound& found) const {
  std::string_view rest(line_.data(), size_);
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  if (same_word(word, "PASV") && rest.empty()) replies.asked_pasv(again_);
  if (same_word(word, "EPSV") && (rest.empty() || rest == protocol_word(client_))) replies.asked_epsv(again_);
  const auto announced = same_word(word, "PORT")   ? parse_port_command(rest)
                         : same_word(word, "EPRT") ? parse_eprt_command(rest, client_.family())
                                                   : std::nullopt;
  if (!announced) return true;  // the server answers a malformed one
  if (announced->addr != client_) return found.refuse();
  return found.add(FtpExpectation::Mode::active, announced->port);
}

}  // namespace rawvs
