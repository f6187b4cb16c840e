// SPDX-License-Identifier: BSD-2-Clause
#include "config/list_reader.h"

#include <set>

#include "config/config_values.h"
#include "wire/formatted.h"

namespace rawvs {

bool ListReader::step(size_t work) {
  for (; !read_all_ && work > 0; --work, ++worked_) {
    std::string_view line;
    if (lines_.next(line)) {
      read(line);
    } else if (lines_.ended()) {
      lines_.free();
      read_all_ = true;
    } else {
      return false;
    }
  }
  if (!read_all_ || work == 0) return false;
  worked_ += work;
  return builder_.step(work);
}

void ListReader::read(std::string_view line) {
  const auto found = words(line.substr(0, line.find_first_of("#;")));
  if (found.empty()) return;
  const auto network = parse_network(found[0]);
  if (!network) return fault(network_fault(found[0]).text);
  if (found.size() > 1)
    return fault(quoted(found[1]) + " behind the network; a line has one, and a comment begins with \"#\"");
  if (builder_.size() < NetworkListBuilder::kMost)
    return builder_.add(*network, static_cast<uint32_t>(lines_.number()));
  if (builder_.size() == NetworkListBuilder::kMost)
    fault(formatted("more than {} networks", NetworkListBuilder::kMost));
}

void ListReader::fault(const std::string& text) {
  if (faults_.size() == kMostFaults) return void(++more_faults_);
  faults_.push_back(formatted("{}:{}: {}", file_, lines_.number(), text));
}

std::vector<std::string> list_paths(const Config& config) {
  std::set<std::string> all;
  for (const VirtualConfig& v : config.virtuals) {
    all.insert(v.limits.allow_files.begin(), v.limits.allow_files.end());
    all.insert(v.limits.deny_files.begin(), v.limits.deny_files.end());
  }
  return {all.begin(), all.end()};
}

Result<std::shared_ptr<const NetworkList>> parse_list(std::string_view text, std::string_view file_name) {
  ListReader reader{std::string(file_name)};
  reader.feed(text);
  reader.end();
  while (!reader.step(1 << 20)) continue;
  if (reader.faults().empty()) return reader.take();
  Error all;
  for (const std::string& fault : reader.faults()) all.text.append(all.text.empty() ? "" : "\n").append(fault);
  if (reader.more_faults() != 0) all.text += formatted("\nand {} more faults", reader.more_faults());
  return all;
}

}  // namespace rawvs
