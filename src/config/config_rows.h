// SPDX-License-Identifier: BSD-2-Clause
// config_rows.h: the key tables, and where in the file each section and key stood.
// Private to the configuration room: the reader sets by these rows, the printer and config_keys() walk them.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config_reader.h"
#include "rawvs/config.h"

namespace rawvs {

template <class Section>
struct Row {  // one key
  std::string_view key;
  const char* help;  // meaning, unit or grammar, range, default
  std::optional<Error> (*set)(Section&, std::string_view text) = nullptr;
  std::vector<std::string> (*texts)(const Section&) = nullptr;  // values as read by set(); none: not set
  size_t (*count)(const Section&) = nullptr;  // only of a key that may stand several times: its values so far
  std::string (*nth)(const Section&, size_t n) = nullptr;  // one of them: only of a key that may have very many
  bool secret = false;                                     // not to be printed for everybody
  bool at_start = false;  // decided at start: memory, or the way to us, which nobody wants cut off
};

// For setters: what was read goes into the field; or why it could not be read.
template <class Value, class Field>
std::optional<Error> take(Result<Value> read, Field& field) {
  if (!read) return read.error();
  field = static_cast<Field>(std::move(*read));
  return std::nullopt;
}

std::span<const Row<Config>> director_rows();
std::span<const Row<GroupConfig>> group_rows();
std::span<const Row<VirtualConfig>> virtual_rows();
std::span<const Row<CheckConfig>> check_rows();  // config_keys_check.cpp
std::span<const Row<VrrpConfig>> vrrp_rows();    // config_keys_vrrp.cpp
std::span<const Row<SyncConfig>> sync_rows();    // config_keys_sync.cpp

struct Place {  // a section of the file
  struct Key {  // in the order of the file
    std::string_view key;
    std::vector<int> lines{};  // one for each value that was understood
    bool bad = false;          // there is a value that was not
  };
  std::string title;  // virtual web
  int line = 0;       // of its header; 0: the file has no such section
  std::vector<Key> keys{};

  const Key* find(std::string_view key) const;
  int line_of(std::string_view key, size_t nth = 0) const;  // the header's line when the value is not there
  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool bad(std::string_view key) const;
};

struct Places {
  Place director{"director"}, sync{"sync"};
  std::vector<Place> groups{}, checks{}, virtuals{}, vrrps{};  // as in Config
  std::set<std::string_view> doubtful{};  // kinds of which a section was refused for its title; "": of any kind

  bool known(std::string_view kind) const { return !doubtful.contains(kind) && !doubtful.contains(""); }
};

// The faults and warnings of one file, as they are found.
class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}
  void fault(int line, const std::string& text);  // line 0: of the file as a whole
  void wrong(const Place& place, std::string_view key, const std::string& text, size_t nth = 0);
  void warn(const Place& place, std::string_view key, const std::string& text, size_t nth = 0);
  void sort();  // by line
  size_t faults() const { return faults_.size() + findings_.more_faults; }
  bool full() const { return faults_.size() >= Findings::kMost; }  // what is found now is counted alone
  Findings& findings() { return findings_; }

 private:
  struct Found {
    int line;
    std::string text;
  };

  std::string file_;
  std::vector<Found> faults_, warnings_;
  Findings findings_;
};

bool heeds(CheckKind kind, std::string_view key);  // is that key of [check] for it?

// Which mark each virtual balances. First group() and given() for all, then kept() for each virtual, then chosen() for
// each, in their order.
class MarkChoice {
 public:
  void group(const GroupConfig& group) { given_.insert(group.mark.value); }
  void given(const VirtualConfig& v) { given_.insert(v.mark.value); }
  Mark kept(const VirtualConfig& v);
  Mark chosen(const VirtualConfig& v, Mark kept);

 private:
  std::set<uint32_t> given_;
  uint32_t next_ = 0x52560000;  // "RV": far from the small numbers that people give
};

// The mark that each virtual balances, chosen ones included; 0: it is a service of one address and port.
std::vector<Mark> marks_of_virtuals(const Config& config);

}  // namespace rawvs
