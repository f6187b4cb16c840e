// SPDX-License-Identifier: BSD-2-Clause
// pcapng.h: blocks of a pcapng file (draft-ietf-opsawg-pcapng): frames with comments, which libpcap cannot write.
// In:  frames as reported by rawvsd.
// Out: bytes to append to the file, in this machine's byte order, as the format allows.
// Not: the file itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rawvs/bytes.h"

namespace rawvs::adm {

uint64_t milliseconds(std::string_view time);  // since 1970, of "1767225600.001"; 0 for an invalid time

class Pcapng {
 public:
  struct Frame {
    uint64_t time_ms = 0;  // since 1970
    std::string link;      // the interface's name
    bool incoming = true;
    uint32_t size = 0;  // of the whole frame
    Bytes bytes{};      // its first bytes
    std::string comment;
  };
  explicit Pcapng(uint32_t snap) : snap_(snap) {}
  std::string head() const;               // begins the file
  std::string frame(const Frame& frame);  // preceded by its interface's block if that is new

 private:
  uint32_t snap_;
  std::vector<std::string> links_;  // in the order of their blocks
};

}  // namespace rawvs::adm
