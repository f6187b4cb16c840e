// SPDX-License-Identifier: BSD-2-Clause
// reload_report.cpp: compares sections key by key.
#include "control/reload_report.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "config/config_rows.h"

namespace rawvs {

namespace {

using Lines = std::vector<std::string>;

std::string all_of(const Lines& values) {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : " ") + value;
  return out.empty() ? "none" : out;
}

template <class Section>
void report_key(const Row<Section>& row, const std::string& name, const Section& was, const Section& next,
                Lines& lines) {
  const Lines old = row.texts(was), after = row.texts(next);
  if (old == after) return;
  const bool secret = row.key == "password" || row.key == "key";  // more people can read the log than the file
  lines.push_back(name + std::string(row.key) + (secret ? ": changed" : ": " + all_of(old) + " -> " + all_of(after)));
}

template <class Section>
void report_named(const std::string& kind, std::span<const Row<Section>> rows, const std::vector<Section>& was,
                  const std::vector<Section>& next, Lines& lines) {
  for (const Section& section : next) {
    const std::string name = kind + ' ' + section.name + ": ";
    const auto found = std::ranges::find(was, section.name, &Section::name);
    if (found == was.end()) {
      lines.push_back(name + "added");
      continue;
    }
    for (const Row<Section>& row : rows) report_key(row, name, *found, section, lines);
  }
  for (const Section& section : was) {
    if (std::ranges::find(next, section.name, &Section::name) == next.end()) {
      lines.push_back(kind + ' ' + section.name + ": removed");
    }
  }
}

}  // namespace

void report_checks(const Config& was, const Config& next, Lines& lines) {
  report_named("check", check_rows(), was.checks, next.checks, lines);
}

void report_virtual(const VirtualConfig& was, const VirtualConfig& next, Lines& lines) {
  constexpr std::array<std::string_view, 8> kReported{"check",  "on_down",    "inhibit",       "slow_start",
                                                      "quorum", "hysteresis", "flaps_allowed", "sorry"};
  for (const Row<VirtualConfig>& row : virtual_rows()) {
    if (std::ranges::find(kReported, row.key) == kReported.end()) continue;
    report_key(row, "virtual " + next.name + ": ", was, next, lines);
  }
}

void report_sections(const Config& was, const Config& next, Lines& lines) {
  report_named("vrrp", vrrp_rows(), was.vrrps, next.vrrps, lines);
  if (was.sync.has_value() != next.sync.has_value()) lines.push_back(next.sync ? "sync: added" : "sync: removed");
  if (!was.sync || !next.sync) return;
  for (const Row<SyncConfig>& row : sync_rows()) report_key(row, "sync: ", *was.sync, *next.sync, lines);
}

}  // namespace rawvs
