// SPDX-License-Identifier: BSD-2-Clause
// config_rows.h: the tables of keys, and where each section and key stood in the file.
//
// For src/config only: the reader sets values by these rows; the printer and config_keys() walk them.
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

struct KeyRow;

// How a field's values are read and written (config_forms.h).
struct Form {
  std::optional<Error> (*read)(const KeyRow& row, std::string_view text,
                               void* field);                             // sets it, or says what is wrong
  std::string (*write)(const KeyRow& row, const void* field, size_t n);  // value n, as read() takes it
  size_t (*count)(const void* field) = nullptr;  // the number of values, 0: not set; null: it always has one
  bool repeatable = false;                       // read() adds values: the key may be repeated
  void (*clear)(void* field) = nullptr;          // for a repeatable one: removes all values
  std::span<const std::string_view> words{};     // for a choice: the words, in the order of the field's values
  std::string_view complaint{};                  // for a choice: such as " is not one of "
  std::optional<Error> (*fault)(std::string_view text) = nullptr;  // for a text: what is wrong with it
};

struct Limits {  // for a number, or for a duration in milliseconds
  uint32_t least = 0, most = 0;
  bool or_zero = false;  // 0 is allowed, too
};

// One key of a section. The section's type is Row's: the functions here are the same for all sections.
struct KeyRow {
  std::string_view key;
  const char* help;                           // meaning, unit or grammar, range, default
  const void* (*field)(const void* section);  // the field that the key sets
  const Form* form;
  Limits limits{};
  bool secret = false;    // printed only for those who may see it
  bool at_start = false;  // read at the start only: memory sizes, or what control needs to stay reachable

  std::optional<Error> set_in(void* section, std::string_view text) const;
  // Sets these values in place of those that it has.
  std::optional<Error> replace_in(void* section, std::span<const std::string> texts) const;
  size_t count_in(const void* section) const;
  std::string text_in(const void* section, size_t n) const;
  std::vector<std::string> texts_in(const void* section) const;
};

template <class Section>
struct Row : KeyRow {
  std::optional<Error> set(Section& section, std::string_view text) const { return set_in(&section, text); }
  std::optional<Error> replace(Section& section, std::span<const std::string> texts) const {
    return replace_in(&section, texts);
  }
  // All values, as set() reads them; empty: not set.
  std::vector<std::string> texts(const Section& section) const { return texts_in(&section); }
};

std::span<const Row<Config>> director_rows();
std::span<const Row<GroupConfig>> group_rows();
std::span<const Row<VirtualConfig>> virtual_rows();
std::span<const Row<CheckConfig>> check_rows();  // config_keys_check.cpp
std::span<const Row<VrrpConfig>> vrrp_rows();    // config_keys_vrrp.cpp
std::span<const Row<SyncConfig>> sync_rows();    // config_keys_sync.cpp

struct Place {  // where a section stood in the file
  struct Key {  // in the order of the file
    std::string_view key;
    std::vector<int> lines{};  // one for each valid value
    bool bad = false;          // a value was not valid
  };
  std::string title;  // virtual web
  int line = 0;       // of its header; 0: the file has no such section
  std::vector<Key> keys{};

  const Key* find(std::string_view key) const;
  int line_of(const char* key, size_t nth = 0) const;  // the header's line when there is no such value
  bool has(const char* key) const { return find(key) != nullptr; }
  bool bad(const char* key) const;
};

struct Places {
  Place director{"director"}, sync{"sync"};
  std::vector<Place> groups{}, checks{}, virtuals{}, vrrps{};  // as in Config
  std::set<std::string_view> doubtful{};  // kinds with a section whose title was refused; "": of unknown kind

  bool known(std::string_view kind) const { return !doubtful.contains(kind) && !doubtful.contains(""); }
};

// Collects the faults and warnings of one file.
class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}
  void fault(int line, const std::string& text);  // line 0: of the file as a whole
  void wrong(const Place& place, const char* key, const std::string& text, size_t nth = 0);
  void warn(const Place& place, const char* key, const std::string& text, size_t nth = 0);
  void sort();  // by line
  size_t faults() const { return faults_.size() + findings_.more_faults; }
  bool full() const { return faults_.size() >= Findings::kMost; }  // further ones are only counted
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

bool heeds(CheckKind kind, std::string_view key);  // true: this kind of check uses this key of [check]

}  // namespace rawvs
