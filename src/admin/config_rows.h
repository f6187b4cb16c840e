// SPDX-License-Identifier: BSD-2-Clause
// config_rows.h: the key tables, and where in the file each section and key stood.
// Private to the configuration room: the reader sets by these rows, the printer and config_keys() walk them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rawvs/config.h"

namespace rawvs {

template <class Section>
struct Row {  // one key
  std::string_view key;
  const char* help;  // meaning, unit or grammar, range, default
  std::optional<Error> (*set)(Section&, std::string_view text) = nullptr;
  std::vector<std::string> (*texts)(const Section&) = nullptr;  // values as read by set(); none: not set
  size_t (*count)(const Section&) = nullptr;  // only of a key that may stand several times: its values so far
  bool at_start = false;                      // decided at start: memory, or the way to us, which nobody wants cut off
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

struct Place {                                              // a section of the file
  std::string title;                                        // virtual web
  int line = 0;                                             // of its header; 0: the file has no such section
  std::vector<std::pair<std::string_view, int>> keys;       // in the order of the file; one for each value of a key
  int line_of(std::string_view key, size_t nth = 0) const;  // the header's line when the key is not there
};

struct Places {
  std::string_view file;
  Place director{"director", 0, {}}, sync{"sync", 0, {}};
  std::vector<Place> groups, checks, virtuals, vrrps;  // as in Config
};
Error fault(std::string_view file, int line, const Place& place, std::string_view key, const Error& problem);

// What no single line can tell: keys that are missing, and values that contradict each other (config_check.cpp).
std::optional<Error> check(const Config& config, const Places& places);
std::optional<Error> check_health(const Config& config, const Places& places);  // config_check_health.cpp
std::optional<Error> check_vrrp(const Config& config, const Places& places);    // config_check_vrrp.cpp
std::optional<Error> check_sync(const Config& config, const Places& places);    // config_keys_sync.cpp
bool heeds(CheckKind kind, std::string_view key);                               // is that key of [check] for it?
const CheckSpec* find_check(const Config& config, std::string_view name);       // of its section; null: there is none

// The mark that each virtual balances, chosen ones included; 0: it is a service of one address and port.
std::vector<Mark> marks_of_virtuals(const Config& config);

}  // namespace rawvs
