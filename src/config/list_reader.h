// SPDX-License-Identifier: BSD-2-Clause
// list_reader.h: reads a file of networks (allow_file, deny_file) of any size in portions.
// In:  the bytes of the file, in pieces of any length.
// Out: a NetworkList, or all of the file's faults.
// Not: files.
//
// A line has a network or an address, of either family, or nothing; a comment begins with "#" or ";". The caller works
// as with ConfigReader: feed() while wants_text(), end(), step() until it returns true.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/line_buffer.h"
#include "core/network_list.h"
#include "rawvs/config.h"
#include "rawvs/result.h"

namespace rawvs {

std::vector<std::string> list_paths(const Config& config);  // that virtuals name: sorted, each once
Result<std::shared_ptr<const NetworkList>> parse_list(std::string_view text, std::string_view file_name);

class ListReader {
 public:
  static constexpr size_t kMostFaults = 20;  // kept; further ones are counted
  // size: of the file, if it is known: a list that grows would be copied in one go.
  explicit ListReader(std::string file, size_t size = 0) : file_(std::move(file)) {
    constexpr size_t kShortLine = 8;  // 1.2.3.4; a shorter one only costs a copy
    builder_.reserve(std::min(size / kShortLine, NetworkListBuilder::kMost));
  }

  bool wants_text() const { return lines_.wants_text(); }
  void feed(std::string_view piece) { lines_.feed(piece); }
  void end() { lines_.end(); }
  bool step(size_t work);  // about `work` lines; true when all is done
  size_t worked() const { return worked_; }

  // REQUIRES: step() has returned true.
  const std::vector<std::string>& faults() const { return faults_; }  // "/etc/rawvs/bad:12: ..."
  size_t more_faults() const { return more_faults_; }
  std::shared_ptr<const NetworkList> take() { return builder_.take(std::move(file_)); }

 private:
  void read(std::string_view line);
  void fault(const std::string& text);

  std::string file_;
  LineBuffer lines_;
  NetworkListBuilder builder_;
  std::vector<std::string> faults_;
  size_t more_faults_ = 0, worked_ = 0;
  bool read_all_ = false;
};

}  // namespace rawvs
