// SPDX-License-Identifier: BSD-2-Clause
// reload_report.cpp: compares sections key by key.
#include "control/reload_report.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <span>
#include <string_view>

#include "config/config_rows.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

constexpr size_t kReportWork = 16;  // comparing all keys of a section takes about so many microseconds

using Lines = std::vector<std::string>;

// was, next: sections of the row's kind.
void report_key(const KeyRow& row, const std::string& name, const void* was, const void* next, Lines& lines) {
  const Lines old = row.texts_in(was), after = row.texts_in(next);
  if (old == after) return;
  const bool secret = row.key == "password" || row.key == "key";  // more people can read the log than the file
  lines.push_back(name + std::string(row.key) + (secret ? ": changed" : ": " + all_of(old) + " -> " + all_of(after)));
}

template <class Section>
class NamedReport {
 public:
  NamedReport(const char* kind, std::span<const Row<Section>> rows, const std::vector<Section>& was,
              const std::vector<Section>& next)
      : kind_(kind), rows_(rows), was_(was), next_(next) {}
  // Steps: the old sections' names are noted, the new sections compared, the old ones that are gone named.
  size_t steps() const { return 2 * was_.size() + next_.size(); }
  void step(size_t n, Lines& lines) {
    if (n < was_.size()) {
      old_.emplace(was_[n].name, n);
    } else if (n -= was_.size(); n < next_.size()) {
      compare(next_[n], lines);
    } else if (n -= next_.size(); old_.contains(was_[n].name)) {
      lines.push_back(kind_ + was_[n].name + ": removed");
    }
  }

 private:
  void compare(const Section& section, Lines& lines) {
    const std::string name = kind_ + section.name + ": ";
    const auto found = old_.find(section.name);
    if (found == old_.end()) return lines.push_back(name + "added");
    for (const Row<Section>& row : rows_) report_key(row, name, &was_[found->second], &section, lines);
    old_.erase(found);
  }

  const std::string kind_;
  const std::span<const Row<Section>> rows_;
  const std::vector<Section>&was_, &next_;
  std::map<std::string_view, size_t> old_;  // those that were not compared
};

}  // namespace

std::string all_of(const Lines& values) {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : " ") + value;
  return out.empty() ? "none" : out;
}

std::string renamed(const ShortName& was, const ShortName& is) {
  const auto word = [](const ShortName& name) { return name.empty() ? "none" : name.text(); };
  return formatted("name: {} -> {}", word(was), word(is));
}

void add_check_reports(const Config& was, const Config& next, Lines& lines, Portions& walks) {
  using Checks = NamedReport<CheckConfig>;
  const std::shared_ptr<Checks> report(new Checks("check ", check_rows(), was.checks, next.checks));
  walks.each([report] { return report->steps(); },
             [report, &lines, &walks](size_t n) {
               report->step(n, lines);
               walks.spend(kReportWork);
             });
}

void add_kept_lists(const Config& was, Config& next, Lines& lines, Portions& walks) {
  constexpr size_t kPerItem = 256;  // networks compared in a microsecond
  walks.each([&next] { return next.lists.size(); },
             [&was, &next, &lines, &walks](size_t i) {
               auto& list = next.lists[i];
               const auto old = std::ranges::find(was.lists, list->name(), [](const auto& l) { return l->name(); });
               walks.spend(was.lists.size() + list->size() / kPerItem);
               if (old == was.lists.end() || *old == list) return;
               if (**old == *list) return void(list = *old);
               lines.push_back(formatted("{}: {} networks -> {}", list->name(), (*old)->size(), list->size()));
             });
}

void report_virtual(const VirtualConfig& was, const VirtualConfig& next, Lines& lines) {
  constexpr std::array<std::string_view, 16> kReported{
      "check",      "on_down",         "inhibit",  "slow_start",         "quorum",      "hysteresis", "flaps_allowed",
      "sorry",      "max_connections", "max_rate", "client_connections", "client_rate", "allow",      "deny",
      "allow_file", "deny_file"};
  for (const Row<VirtualConfig>& row : virtual_rows()) {
    if (std::ranges::find(kReported, row.key) == kReported.end()) continue;
    report_key(row, "virtual " + next.name + ": ", &was, &next, lines);
  }
}

void report_sections(const Config& was, const Config& next, Lines& lines) {
  NamedReport report("vrrp ", vrrp_rows(), was.vrrps, next.vrrps);
  for (size_t n = 0; n < report.steps(); ++n) report.step(n, lines);
  if (was.sync.has_value() != next.sync.has_value()) lines.push_back(next.sync ? "sync: added" : "sync: removed");
  if (!was.sync || !next.sync) return;
  for (const Row<SyncConfig>& row : sync_rows()) report_key(row, "sync: ", &*was.sync, &*next.sync, lines);
}

}  // namespace rawvs
