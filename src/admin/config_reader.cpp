// SPDX-License-Identifier: BSD-2-Clause
// config_reader.cpp: a file's lines through libinih into a Config.
// inih tells its handler no line number, cuts long lines, takes an indented line for a second value of the key above
// it, ignores what stands behind a section's "]", and says nothing of empty sections. So it is fed by our own reader,
// which counts lines, refuses those that inih would misread, and begins the sections.

#include <ini.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "config_rows.h"
#include "config_values.h"

namespace rawvs {
namespace {

constexpr size_t kNameMost = 32;
constexpr std::array<std::string_view, 6> kSections{"director", "virtual", "group", "check", "vrrp", "sync"};
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string in_hex(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'0', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

bool is_name(std::string_view name) {
  return name.size() <= kNameMost && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
         });
}

// What is wrong with a line before its meaning is looked at.
std::optional<Error> line_fault(std::string_view line, size_t most) {
  const auto bad = std::find_if(line.begin(), line.end(),
                                [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f; });
  if (bad != line.end()) {
    return Error{"control character " + in_hex(*bad) + " in column " + std::to_string(bad - line.begin() + 1)};
  }
  if (line.size() > most) {
    return Error{"the line has " + std::to_string(line.size()) + " bytes; at most " + std::to_string(most) +
                 " are allowed"};
  }
  const size_t first = line.find_first_not_of(" \t");
  if (first != 0 && first != std::string_view::npos && line[first] != ';' && line[first] != '#') {
    return Error{"the line is indented; keys and sections begin in the first column"};
  }
  return std::nullopt;
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view file) : rest_(text) {
    places_.file = file;
    if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
  }

  Result<Config> read() {
    const int broken = ini_parse_stream(next_line, this, take_pair, this);
    if (broken < 0) return Error{std::string(places_.file) + ": out of memory"};
    // The handler's refusals are in error_; inih's own are lines that are neither section nor "key = value".
    if (broken > 0 && (!error_ || error_line_ > broken)) {
      return Error{std::string(places_.file) + ':' + std::to_string(broken) +
                   ": neither \"key = value\" nor \"[section]\" nor a comment, which begins with \";\""};
    }
    if (error_) return std::move(*error_);
    if (auto problem = check(config_, places_)) return std::move(*problem);
    return std::move(config_);
  }

 private:
  enum class Kind : uint8_t { none, director, group, check, virtual_service, vrrp, sync };

  static char* next_line(char* out, int size, void* self) {
    return static_cast<Reader*>(self)->next_line(out, static_cast<size_t>(size)) ? out : nullptr;
  }
  static int take_pair(void* self, const char*, const char* key, const char* value) {
    return static_cast<Reader*>(self)->take_pair(key, value) ? 1 : 0;
  }

  bool next_line(char* out, size_t size) {
    if (error_ || rest_.empty()) return false;
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++line_;
    if (auto problem = line_fault(line, size - 1)) return refuse("", *problem);
    if (line.starts_with('[') && !begin_section(line)) return false;
    std::memcpy(out, line.data(), line.size());
    out[line.size()] = '\0';
    return true;
  }

  bool begin_section(std::string_view line);
  bool begin_only(Kind kind, Place& place);
  template <class Section>
  bool begin_named(Kind kind, std::string_view title, std::string_view name, std::vector<Section>& sections,
                   std::vector<Place>& places);
  bool take_pair(std::string_view key, std::string_view value);
  template <class Section>
  bool set(std::span<const Row<Section>> rows, Section& section, std::string_view key, std::string_view value);
  std::string unknown(std::string_view key) const;
  Place* place();

  // Keeps the first problem, with its place in front. Always false.
  bool refuse(std::string_view where, const Error& problem) {
    if (error_) return false;
    error_line_ = line_;
    const Error placed = where.empty() ? problem : at(where, problem);
    error_ = at(std::string(places_.file) + ':' + std::to_string(line_), placed);
    return false;
  }

  std::string_view rest_;
  int line_ = 0;
  Kind kind_ = Kind::none;
  Config config_;
  Places places_;
  std::optional<Error> error_;
  int error_line_ = 0;
};

Place* Reader::place() {
  switch (kind_) {
    case Kind::none: break;
    case Kind::director: return &places_.director;
    case Kind::group: return &places_.groups.back();
    case Kind::check: return &places_.checks.back();
    case Kind::virtual_service: return &places_.virtuals.back();
    case Kind::vrrp: return &places_.vrrps.back();
    case Kind::sync: return &places_.sync;
  }
  return nullptr;
}

bool Reader::begin_section(std::string_view line) {
  const size_t close = line.find(']');
  if (close == std::string_view::npos) return refuse(line, {"the \"]\" is missing"});
  const std::string title(line.substr(0, close + 1));
  const auto behind = words(line.substr(close + 1));
  if (!behind.empty() && !behind[0].starts_with(';')) {
    return refuse(title, {quoted(behind[0]) + " behind the section; a comment begins with \";\""});
  }
  const auto inner = words(line.substr(1, close - 1));
  const std::string_view kind = inner.empty() ? std::string_view() : inner[0];
  if (std::ranges::find(kSections, kind) == kSections.end()) {
    const std::string guess = did_you_mean(kind, {kSections.begin(), kSections.end()});
    return refuse(
        title,
        {"no such section" +
         (guess.empty() ? "; there are [director], [virtual NAME], [group NAME], [check NAME], [vrrp NAME], [sync]"
                        : guess)});
  }
  if (kind == "director" || kind == "sync") {
    if (inner.size() != 1) return refuse(title, {"this section takes no name"});
    return kind == "director" ? begin_only(Kind::director, places_.director) : begin_only(Kind::sync, places_.sync);
  }
  if (inner.size() != 2) {
    return refuse(title, {"expected one name, without blanks: [" + std::string(kind) + " NAME]"});
  }
  if (!is_name(inner[1])) {
    return refuse(title, {quoted(inner[1]) + " is not a name: at most 32 letters, digits, \".\", \"_\", \"-\""});
  }
  const std::string plain = std::string(kind) + ' ' + std::string(inner[1]);
  if (kind == "group") return begin_named(Kind::group, plain, inner[1], config_.groups, places_.groups);
  if (kind == "vrrp") return begin_named(Kind::vrrp, plain, inner[1], config_.vrrps, places_.vrrps);
  if (kind == "check") return begin_named(Kind::check, plain, inner[1], config_.checks, places_.checks);
  return begin_named(Kind::virtual_service, plain, inner[1], config_.virtuals, places_.virtuals);
}

bool Reader::begin_only(Kind kind, Place& place) {
  if (place.line != 0) return refuse('[' + place.title + ']', {"already on line " + std::to_string(place.line)});
  kind_ = kind;
  place.line = line_;
  if (kind == Kind::sync) config_.sync.emplace();
  return true;
}

template <class Section>
bool Reader::begin_named(Kind kind, std::string_view title, std::string_view name, std::vector<Section>& sections,
                         std::vector<Place>& places) {
  for (const Place& other : places) {
    if (other.title != title) continue;
    return refuse('[' + other.title + ']', {"already on line " + std::to_string(other.line)});
  }
  kind_ = kind;
  Section& section = sections.emplace_back();
  section.name = name;
  section.line = line_;
  places.push_back({std::string(title), line_, {}});
  return true;
}

bool Reader::take_pair(std::string_view key, std::string_view value) {
  if (error_) return false;
  switch (kind_) {
    case Kind::none: break;
    case Kind::director: return set(director_rows(), config_, key, value);
    case Kind::group: return set(group_rows(), config_.groups.back(), key, value);
    case Kind::check: return set(check_rows(), config_.checks.back(), key, value);
    case Kind::virtual_service: return set(virtual_rows(), config_.virtuals.back(), key, value);
    case Kind::vrrp: return set(vrrp_rows(), config_.vrrps.back(), key, value);
    case Kind::sync: return set(sync_rows(), *config_.sync, key, value);
  }
  return refuse(key, {"stands before any section; a file begins with [director]"});
}

template <class Section>
bool Reader::set(std::span<const Row<Section>> rows, Section& section, std::string_view key, std::string_view value) {
  Place& here = *place();
  const std::string where = '[' + here.title + "] " + std::string(key);
  for (const Row<Section>& row : rows) {
    if (row.key != key) continue;
    const auto before = std::find_if(here.keys.begin(), here.keys.end(), [&](const auto& k) { return k.first == key; });
    if (row.count == nullptr && before != here.keys.end()) {
      return refuse(where, {"already on line " + std::to_string(before->second)});
    }
    const size_t values = row.count == nullptr ? 0 : row.count(section);
    if (const auto problem = row.set(section, value)) {
      // "#" begins a comment in the first column only; behind a value people try it all the same.
      const bool hash = value.find(" #") != std::string_view::npos || value.find("\t#") != std::string_view::npos;
      return refuse(where, {problem->text + (hash ? "; a comment behind a value begins with \" ;\"" : "")});
    }
    const size_t added = row.count == nullptr ? 1 : row.count(section) - values;
    here.keys.insert(here.keys.end(), added, {row.key, line_});
    return true;
  }
  return refuse(key.empty() ? '[' + here.title + ']' : where, {unknown(key)});
}

std::string Reader::unknown(std::string_view key) const {
  if (key.empty()) return "no key before the \"=\"";
  constexpr std::array kNames{"", "director", "group", "check", "virtual", "vrrp", "sync"};  // by Kind
  const std::string_view section = kNames[static_cast<size_t>(kind_)];
  const std::vector<KeyHelp> all = config_keys();
  std::vector<std::string_view> here;
  std::string elsewhere;
  for (const KeyHelp& row : all) {
    if (row.section == section) here.emplace_back(row.key);
    if (row.key == key && elsewhere.empty()) elsewhere = row.section;
  }
  const std::string guess = did_you_mean(key, here);
  if (!guess.empty()) return "no such key" + guess;
  if (elsewhere.empty()) return "no such key; this section has " + listed(here);
  return "no such key here; it belongs in [" + elsewhere +
         (elsewhere == "director" || elsewhere == "sync" ? "]" : " NAME]");
}

}  // namespace

Result<Config> parse_config(std::string_view text, std::string_view file_name) {
  return Reader(text, file_name).read();
}

}  // namespace rawvs
