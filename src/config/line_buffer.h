// SPDX-License-Identifier: BSD-2-Clause
// line_buffer.h: cuts a text that comes in pieces of any length into lines.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace rawvs {

class LineBuffer {
 public:
  bool wants_text() const { return !ended_ && text_.find('\n', std::max(scanned_, begin_)) == std::string::npos; }
  void feed(std::string_view piece) {
    text_.erase(0, begin_);
    scanned_ -= std::min(scanned_, begin_);
    begin_ = 0;
    if (wants_text()) scanned_ = text_.size();
    text_.append(piece);
  }
  void end() { ended_ = true; }  // there is no more text
  bool ended() const { return ended_; }
  // The next line, without its end and without a byte order mark of the text; valid until the next call of any kind.
  // False: there is no complete line.
  bool next(std::string_view& line) {
    size_t stop = text_.find('\n', std::max(scanned_, begin_));
    if (stop == std::string::npos) {
      if (!ended_ || begin_ == text_.size()) return false;
      stop = text_.size();
    }
    line = std::string_view(text_).substr(begin_, stop - begin_);
    begin_ = std::min(stop + 1, text_.size());
    if (number_++ == 0 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    if (line.ends_with('\r')) line.remove_suffix(1);
    return true;
  }
  int number() const { return number_; }  // of the last line, from 1
  void free() { text_ = {}; }

  static constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

 private:
  std::string text_;
  size_t begin_ = 0, scanned_ = 0;  // the next line; where the search for its end continues
  bool ended_ = false;
  int number_ = 0;
};

}  // namespace rawvs
