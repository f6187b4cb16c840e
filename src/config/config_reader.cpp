// SPDX-License-Identifier: BSD-2-Clause
// config_reader.cpp: reads a file's lines through libinih into a Config.
//
// inih does not tell its handler the line number, cuts long lines, takes an indented line for a second value of the key
// above, ignores text after a section's "]", and does not report empty sections. So this reader gives it one line at a
// time, counts the lines, refuses those that inih would misread, and begins the sections itself.

#include "config/config_reader.h"

#include <ini.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "config/config_check.h"
#include "config/config_tables.h"
#include "config/config_values.h"
#include "config/line_buffer.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr std::array<std::string_view, 6> kSections{"director", "virtual", "group", "check", "vrrp", "sync"};

std::string in_hex(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'0', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

// The fault of a line, before its meaning is considered.
std::optional<Error> line_fault(std::string_view line, size_t most) {
  const auto bad = std::find_if(line.begin(), line.end(),
                                [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f; });
  if (bad != line.end()) {
    return Error{formatted("control character {} in column {}", in_hex(*bad), bad - line.begin() + 1)};
  }
  if (line.starts_with(LineBuffer::kByteOrderMark)) return Error{"a byte order mark within the file"};
  if (line.size() > most) {
    return Error{formatted("the line has {} bytes; at most {} are allowed", line.size(), most)};
  }
  const size_t first = line.find_first_not_of(" \t");
  if (first != 0 && first != std::string_view::npos && line[first] != ';' && line[first] != '#') {
    return Error{"the line is indented; keys and sections begin in the first column"};
  }
  return std::nullopt;
}

}  // namespace

class ConfigReader::Work {
 public:
  explicit Work(std::string file) : report_(file), file_(std::move(file)) {}

  bool wants_text() const { return lines_.wants_text(); }
  void feed(std::string_view piece) { lines_.feed(piece); }
  void end() { lines_.end(); }
  bool step(size_t work);
  size_t worked() const { return static_cast<size_t>(line_) + walks_.worked(); }
  const Findings& findings() { return report_.findings(); }
  Result<Config> take();

 private:
  enum class SectionKind : uint8_t { none, unknown, director, group, check, virtual_service, vrrp, sync };

  static char* copy_line(char* out, int size, void* self) {
    return static_cast<Work*>(self)->copy_line(out, static_cast<size_t>(size)) ? out : nullptr;
  }
  static int take_pair(void* self, const char*, const char* key, const char* value) {
    static_cast<Work*>(self)->take_pair(key, value);
    return 1;  // the report has the fault
  }

  bool read_line();
  bool copy_line(char* out, size_t size);
  void begin_section(std::string_view line);
  void begin_only(SectionKind kind, Place Places::*place);
  template <class Section>
  void begin_named(SectionKind kind, std::string_view title, std::string_view name,
                   std::vector<Section> Config::*sections, std::vector<Place> Places::*places);
  void take_pair(std::string_view key, std::string_view value);
  template <class Section>
  void set(std::span<const Row<Section>> rows, Section& section, std::string_view key, std::string_view value);
  void set(const KeyRow* row, void* section, std::string_view key, std::string_view value);  // null: no such key
  std::string unknown(std::string_view key) const;
  void begin_checks();
  void drop_some();
  Place& place();
  void refuse_section(std::string_view where, const std::string& text, std::string_view kind = {}) {
    kind_ = SectionKind::unknown;
    places_.doubtful.insert(kind);
    report_.fault(line_, std::string(where) + ": " + text);
  }

  // A repeated section is read into a spare one, to find the faults in it.
  struct Read {
    Config config;
    Places places;
  };

  Report report_;
  std::string file_;
  LineBuffer lines_;
  std::string_view next_;  // the line for inih
  int line_ = 0;
  SectionKind kind_ = SectionKind::none;
  bool homeless_ = false;  // a key before any section was reported
  Read read_, spare_;
  Read* into_ = &read_;
  std::map<std::string, int, std::less<>> titles_;  // with their lines
  Config& config_ = read_.config;
  Places& places_ = read_.places;
  std::unique_ptr<Checking> checking_;
  Portions walks_;
  bool done_ = false;
};

bool ConfigReader::Work::step(size_t work) {
  const size_t before = worked();
  while (!done_ && !checking_) {
    if (worked() - before >= work) return false;
    if (!read_line()) {
      if (!lines_.ended()) return false;
      begin_checks();
    }
  }
  const size_t spent = worked() - before;
  if (done_ || spent >= work || !walks_.step(work - spent)) return done_;
  checking_.reset();
  read_.places = {};
  spare_ = {};
  report_.sort();
  return done_ = true;
}

// False: there is no complete line.
bool ConfigReader::Work::read_line() {
  std::string_view line;
  if (!lines_.next(line)) return false;
  line_ = lines_.number();
  next_ = line;
  const size_t faults = report_.faults();
  const int broken = ini_parse_stream(copy_line, this, take_pair, this);
  if (broken == 0 || report_.faults() != faults) return true;
  report_.fault(line_, broken < 0 ? "out of memory"
                                  : "neither \"key = value\" nor \"[section]\" nor a comment, which begins with \";\"");
  return true;
}

bool ConfigReader::Work::copy_line(char* out, size_t size) {
  const std::string_view line = next_;
  if (line.empty()) return false;  // then nothing follows
  next_ = {};
  if (const auto problem = line_fault(line, size - 1)) {
    // Keys after a faulty section line belong to no section.
    if (line.substr(std::min(line.find_first_not_of(" \t"), line.size())).starts_with('[')) {
      kind_ = SectionKind::unknown;
      places_.doubtful.insert("");
    }
    report_.fault(line_, problem->text);
    return false;
  }
  if (line.starts_with('[')) {
    begin_section(line);
    return false;
  }
  std::memcpy(out, line.data(), line.size());
  out[line.size()] = '\0';
  return true;
}

Place& ConfigReader::Work::place() {
  Places& places = into_->places;
  switch (kind_) {
    case SectionKind::none:
    case SectionKind::unknown:
    case SectionKind::director: break;
    case SectionKind::group: return places.groups.back();
    case SectionKind::check: return places.checks.back();
    case SectionKind::virtual_service: return places.virtuals.back();
    case SectionKind::vrrp: return places.vrrps.back();
    case SectionKind::sync: return places.sync;
  }
  return places.director;
}

void ConfigReader::Work::begin_section(std::string_view line) {
  const size_t close = line.find(']');
  if (close == std::string_view::npos) return refuse_section(line, "the \"]\" is missing");
  const std::string title(line.substr(0, close + 1));
  const auto behind = words(line.substr(close + 1));
  if (!behind.empty() && !behind[0].starts_with(';')) {
    return refuse_section(title, quoted(behind[0]) + " behind the section; a comment begins with \";\"");
  }
  const auto inner = words(line.substr(1, close - 1));
  const auto* const known = std::ranges::find(kSections, inner.empty() ? std::string_view() : inner[0]);
  if (known == kSections.end()) {
    const std::string guess =
        inner.empty() ? std::string() : did_you_mean(inner[0], {kSections.begin(), kSections.end()});
    return refuse_section(
        title,
        "no such section" +
            (guess.empty() ? "; there are [director], [virtual NAME], [group NAME], [check NAME], [vrrp NAME], [sync]"
                           : guess));
  }
  const std::string_view kind = *known;
  if (kind == "director" || kind == "sync") {
    if (inner.size() != 1) return refuse_section(title, "this section takes no name", kind);
    return kind == "director" ? begin_only(SectionKind::director, &Places::director)
                              : begin_only(SectionKind::sync, &Places::sync);
  }
  if (inner.size() != 2) {
    return refuse_section(title, formatted("expected one name, without blanks: [{} NAME]", kind), kind);
  }
  if (ShortName::of(inner[1]).empty()) {
    return refuse_section(title, formatted("{} is not a name: {}", quoted(inner[1]), ShortName::kWhat), kind);
  }
  const std::string plain = formatted("{} {}", kind, inner[1]);
  if (kind == "group") return begin_named(SectionKind::group, plain, inner[1], &Config::groups, &Places::groups);
  if (kind == "vrrp") return begin_named(SectionKind::vrrp, plain, inner[1], &Config::vrrps, &Places::vrrps);
  if (kind == "check") return begin_named(SectionKind::check, plain, inner[1], &Config::checks, &Places::checks);
  return begin_named(SectionKind::virtual_service, plain, inner[1], &Config::virtuals, &Places::virtuals);
}

void ConfigReader::Work::begin_only(SectionKind kind, Place Places::*place) {
  kind_ = kind;
  into_ = &read_;
  if (const int before = (places_.*place).line; before != 0) {
    report_.fault(line_, formatted("[{}]: already on line {}", (places_.*place).title, before));
    spare_ = {};
    into_ = &spare_;
  }
  (into_->places.*place).line = line_;
  if (kind == SectionKind::sync) into_->config.sync.emplace();
}

template <class Section>
void ConfigReader::Work::begin_named(SectionKind kind, std::string_view title, std::string_view name,
                                     std::vector<Section> Config::*sections, std::vector<Place> Places::*places) {
  kind_ = kind;
  into_ = &read_;
  if (const auto [before, fresh] = titles_.try_emplace(std::string(title), line_); !fresh) {
    report_.fault(line_, formatted("[{}]: already on line {}", before->first, before->second));
    spare_ = {};
    into_ = &spare_;
  }
  Section& section = (into_->config.*sections).emplace_back();
  section.name = name;
  section.line = line_;
  (into_->places.*places).push_back({std::string(title), line_});
}

void ConfigReader::Work::take_pair(std::string_view key, std::string_view value) {
  Config& config = into_->config;
  switch (kind_) {
    case SectionKind::none: break;
    case SectionKind::unknown: return;
    case SectionKind::director: return set(director_rows(), config, key, value);
    case SectionKind::group: return set(group_rows(), config.groups.back(), key, value);
    case SectionKind::check: return set(check_rows(), config.checks.back(), key, value);
    case SectionKind::virtual_service: return set(virtual_rows(), config.virtuals.back(), key, value);
    case SectionKind::vrrp: return set(vrrp_rows(), config.vrrps.back(), key, value);
    case SectionKind::sync: return set(sync_rows(), *config.sync, key, value);
  }
  places_.doubtful.insert("");
  if (std::exchange(homeless_, true)) return;  // one report for all of them
  report_.fault(line_, formatted("{}: stands before any section; a file begins with [director]", key));
}

template <class Section>
void ConfigReader::Work::set(std::span<const Row<Section>> rows, Section& section, std::string_view key,
                             std::string_view value) {
  const auto row = std::ranges::find(rows, key, &Row<Section>::key);
  set(row == rows.end() ? nullptr : &*row, &section, key, value);
}

void ConfigReader::Work::set(const KeyRow* row, void* section, std::string_view key, std::string_view value) {
  Place& here = place();
  const auto refuse = [&](const std::string& text) {
    report_.fault(line_, formatted("[{}]{}{}: {}", here.title, key.empty() ? "" : " ", key, text));
  };
  if (row == nullptr) return refuse(unknown(key));
  const bool repeatable = row->form->repeatable;
  auto known = std::ranges::find(here.keys, key, &Place::Key::key);
  if (known == here.keys.end()) {
    known = here.keys.insert(here.keys.end(), {row->key});
  } else if (!repeatable) {
    return refuse(formatted("already on line {}", known->lines[0]));
  }
  const size_t values = repeatable ? row->count_in(section) : 0;
  const auto problem = row->set_in(section, value);
  const size_t added = repeatable ? row->count_in(section) - values : 1;
  known->lines.insert(known->lines.end(), added, line_);
  if (!problem) return;
  known->bad = true;
  // "#" begins a comment in the first column only; people also try it after a value.
  const bool hash = value.find(" #") != std::string_view::npos || value.find("\t#") != std::string_view::npos;
  const bool in_quotes = value.starts_with('"') || value.starts_with('\'');
  refuse(problem->text + (hash        ? "; a comment behind a value begins with \" ;\""
                          : in_quotes ? "; values are written without quotation marks"
                                      : ""));
}

std::string ConfigReader::Work::unknown(std::string_view key) const {
  if (key.empty()) return "no key before the \"=\"";
  constexpr std::array kNames{"", "", "director", "group", "check", "virtual", "vrrp", "sync"};  // by SectionKind
  const std::string_view section = kNames[static_cast<size_t>(kind_)];
  const std::vector<KeyHelp> all = config_keys();
  std::vector<std::string_view> here;
  std::string_view elsewhere;
  for (const KeyHelp& row : all) {
    if (row.section == section) here.push_back(row.key);
    if (row.key == key && elsewhere.empty()) elsewhere = row.section;
  }
  const std::string guess = did_you_mean(key, here);
  if (!guess.empty()) return "no such key" + guess;
  if (elsewhere.empty()) return "no such key; this section has " + listed(here);
  return formatted("no such key here; it belongs in [{}{}]", elsewhere,
                   elsewhere == "director" || elsewhere == "sync" ? "" : " NAME");
}

void ConfigReader::Work::begin_checks() {
  lines_.free();
  checking_ = std::make_unique<Checking>(Checking{config_, places_, report_});
  add_families(config_, places_, report_, walks_);
  add_links(config_, places_, report_, walks_);
  add_table_checks(*checking_, walks_);
  add_port_checks(*checking_, walks_);
  add_server_checks(*checking_, walks_);
  add_health_checks(*checking_, walks_);
  add_vrrp_checks(*checking_, walks_);
  add_sync_checks(*checking_, walks_);
  add_warnings(*checking_, walks_);
  // Memory is freed in portions, too: with faults also the Config.
  walks_.each([this] { return titles_.size(); }, [this](size_t) { drop_some(); });
}

// There is a title for each section, but those that are repeated.
void ConfigReader::Work::drop_some() {
  Portions::drop(titles_);
  Portions::drop(checking_->virtuals);
  for (auto places : {&Places::virtuals, &Places::groups, &Places::checks}) Portions::drop(places_.*places);
  if (report_.faults() != 0) drop_sections(config_, walks_);
}

Result<Config> ConfigReader::Work::take() {
  const Findings& found = report_.findings();
  if (found.count() == 0) return std::move(config_);
  Error all;
  for (const std::string& fault : found.faults) all.text.append(all.text.empty() ? "" : "\n").append(fault);
  if (found.more_faults != 0) all.text += formatted("\nand {} more faults", found.more_faults);
  return all;
}

ConfigReader::ConfigReader(std::string file_name) : work_(std::make_unique<Work>(std::move(file_name))) {}
ConfigReader::ConfigReader(ConfigReader&&) noexcept = default;
ConfigReader& ConfigReader::operator=(ConfigReader&&) noexcept = default;
ConfigReader::~ConfigReader() = default;
bool ConfigReader::wants_text() const { return work_->wants_text(); }
void ConfigReader::feed(std::string_view piece) { work_->feed(piece); }
void ConfigReader::end() { work_->end(); }
bool ConfigReader::step(size_t work) { return work_->step(work); }
size_t ConfigReader::worked() const { return work_->worked(); }
const Findings& ConfigReader::findings() const { return work_->findings(); }
Result<Config> ConfigReader::take() { return work_->take(); }

Result<Config> parse_config(std::string_view text, std::string_view file_name) {
  ConfigReader reader{std::string(file_name)};
  reader.feed(text);
  reader.end();
  while (!reader.step(1 << 20)) continue;
  return reader.take();
}

}  // namespace rawvs
