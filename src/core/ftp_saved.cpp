// SPDX-License-Identifier: BSD-2-Clause
// ftp_saved.cpp: an FTP session saved as bytes and restored, for a director that restarts within a reply. Accepts only
// states that the readers can reach: they rely on it.
//
//   session 188: edits 72, offered 4, flags 4, two directions (first 4, next 4, flags 4), the server's last bytes 12,
//                replies 20, commands 52
//   edits    72: shift before them 4, count 1, zero 3; for each: start 4, length 1, state 1, zero 2
//   tail     12: count 1, zero 3, the bytes 8
//   replies  20: PASVs due 1, EPSVs due 1, place 1, column 1, code 2, multi-line code 2, number 4, digits 1, index 1,
//                position 1, port's upper byte 1, delimiter 1, flags 1, zero 2
//   commands 52: size 1, flags 1, zero 2, the line 48
#include <algorithm>

#include "core/ftp.h"
#include "wire/l4_header.h"

namespace rawvs {

namespace {

constexpr int32_t kMostShift = 1 << 20, kMostSpan = 1 << 30;  // of a stream's numbers; of unfinished edits
constexpr uint8_t kLeastText = 8, kMostText = 16;             // "1,1,1,1," to "255,255,255,255,"

constexpr uint32_t flag(bool set, int place) { return uint32_t{set} << place; }
constexpr bool has(uint32_t flags, int place) { return (flags >> place & 1) != 0; }

void save(const FtpDirection& d, MutableBytes out) {
  store_be32(out, 0, d.first);
  store_be32(out, 4, d.next);
  store_be32(
      out, 8,
      flag(d.started, 0) | flag(d.behind_syn, 1) | flag(d.mid_stream, 2) | flag(d.ended, 3) | flag(d.end_heard, 4));
}

FtpDirection direction(Bytes in) {
  const uint32_t flags = load_be32(in, 8);
  return {load_be32(in, 0), load_be32(in, 4), has(flags, 0), has(flags, 1),
          has(flags, 2),    has(flags, 3),    has(flags, 4)};
}

// The next bytes, in the order of the layout.
template <class Span>
Span take(Span& rest, size_t size) {
  const Span first = rest.first(size);
  rest = rest.subspan(size);
  return first;
}

}  // namespace

void save(const FtpSession& s, MutableBytes out) {
  s.edits.save(take(out, FtpEdits::kSaved));
  const MutableBytes own = take(out, 8);
  store_be32(own, 0, s.offered);
  store_be32(own, 4, flag(s.has_offer, 0) | flag(s.closed, 1) | flag(s.reset, 2) | flag(s.untrue_numbers, 3));
  save(s.client, take(out, kFtpDirectionSaved));
  save(s.server, take(out, kFtpDirectionSaved));
  s.server_tail.save(take(out, FtpTail::kSaved));
  s.replies.save(take(out, FtpReplies::kSaved));
  s.commands.save(out);
}

bool restore(FtpSession& s, Bytes in) {
  const Bytes edits = take(in, FtpEdits::kSaved), own = take(in, 8);
  s.offered = load_be32(own, 0);
  const uint32_t flags = load_be32(own, 4);
  s.has_offer = has(flags, 0);
  s.closed = has(flags, 1);
  s.reset = has(flags, 2);
  s.untrue_numbers = has(flags, 3);
  s.client = direction(take(in, kFtpDirectionSaved));
  s.server = direction(take(in, kFtpDirectionSaved));
  return s.server_tail.restore(take(in, FtpTail::kSaved)) && s.edits.restore(edits, s.server.next) &&
         s.replies.restore(take(in, FtpReplies::kSaved), s.edits) && s.commands.restore(in);
}

void FtpTail::save(MutableBytes out) const {
  out[0] = kept_;
  std::ranges::copy(last_, out.begin() + 4);
}

bool FtpTail::restore(Bytes in) {
  kept_ = in[0];
  std::ranges::copy(in.subspan(4, last_.size()), last_.begin());
  return kept_ <= last_.size();
}

bool FtpEdits::take_over(uint32_t shift) {
  const auto by = static_cast<int32_t>(shift);
  if (by > kMostShift || by < -kMostShift) return false;
  base_ = shift;
  count_ = 0;
  return true;
}

void FtpEdits::save(MutableBytes out) const {
  store_be32(out, 0, base_);
  out[4] = count_;
  for (uint32_t i = 0; i < count_; ++i) {
    const MutableBytes row = out.subspan(8 + i * 8, 8);
    store_be32(row, 0, edits_[i].start);
    row[4] = edits_[i].length;
    row[5] = static_cast<uint8_t>(edits_[i].state);
  }
}

// Edits must follow each other within the bytes read, and none may be longer than an address: else emit() would not
// write as many bytes as to_client() counts.
bool FtpEdits::restore(Bytes in, uint32_t next) {
  if (!take_over(load_be32(in, 0)) || in[4] > kMost) return false;
  count_ = in[4];
  for (uint32_t i = 0; i < count_; ++i) {
    const Bytes row = in.subspan(8 + i * 8, 8);
    Edit& e = edits_[i];
    e = {load_be32(row, 0), row[4], static_cast<State>(row[5])};
    if (e.length == 0 || e.length > kMostText || row[5] > static_cast<uint8_t>(State::cut)) return false;
    if (e.state == State::whole && e.length < kLeastText) return false;
    const uint32_t end = e.start + e.length;
    const int32_t unread = distance(end, next);
    if (unread < 0 || unread > kMostSpan) return false;
    if (e.state == State::open && (i + 1 != count_ || unread != 0)) return false;
    if (i != 0 && distance(edits_[i - 1].start + edits_[i - 1].length, e.start) < 0) return false;
  }
  return true;
}

void FtpReplies::save(MutableBytes out) const {
  out[0] = pasv_;
  out[1] = epsv_;
  out[2] = static_cast<uint8_t>(at_);
  out[3] = column_;
  store_be16(out, 4, code_);
  store_be16(out, 6, multi_);
  store_be32(out, 8, number_);
  out[12] = digits_;
  out[13] = index_;
  out[14] = position_;
  out[15] = high_;
  out[16] = delimiter_;
  out[17] = static_cast<uint8_t>(flag(is_server_, 0) | flag(is_vip_, 1) | flag(editing_, 2));
}

bool FtpReplies::restore(Bytes in, const FtpEdits& restored) {
  constexpr uint8_t kMostColumn = 3, kMostDigits = 5, kMostIndex = 5;
  pasv_ = in[0];
  epsv_ = in[1];
  at_ = static_cast<At>(in[2]);
  column_ = in[3];
  code_ = load_be16(in, 4);
  multi_ = load_be16(in, 6);
  number_ = load_be32(in, 8);
  digits_ = in[12];
  index_ = in[13];
  position_ = in[14];
  high_ = in[15];
  delimiter_ = in[16];
  is_server_ = has(in[17], 0);
  is_vip_ = has(in[17], 1);
  editing_ = has(in[17], 2);
  const bool in_range = in[2] <= static_cast<uint8_t>(At::port) && column_ <= kMostColumn && number_ <= 0xffff &&
                        digits_ <= kMostDigits && index_ <= kMostIndex;
  // An edit is open exactly while an address is read.
  return in_range && editing_ == restored.is_open() && (!editing_ || at_ == At::numbers);
}

void FtpCommands::save(MutableBytes out) const {
  const bool kept = !too_long_ && size_ <= kSaved - 4 && may_matter();
  out[0] = kept ? size_ : uint8_t{0};
  out[1] = static_cast<uint8_t>(flag(!kept, 0));
  if (kept) std::copy_n(line_.begin(), size_, out.begin() + 4);
}

bool FtpCommands::restore(Bytes in) {
  size_ = in[0];
  too_long_ = has(in[1], 0);
  std::ranges::copy(in.subspan(4, kSaved - 4), line_.begin());
  return size_ <= kSaved - 4;
}

bool FtpCommands::may_matter() const {
  constexpr std::string_view kWords[] = {"PASV", "EPSV", "PORT", "EPRT"};
  return std::ranges::any_of(kWords, [&](std::string_view word) {
    const std::string_view begun = std::string_view(line_.data(), size_).substr(0, word.size());
    return std::equal(begun.begin(), begun.end(), word.begin(),
                      [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; });
  });
}

}  // namespace rawvs
