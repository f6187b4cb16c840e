// SPDX-License-Identifier: BSD-2-Clause
// config_print.cpp: a Config as INI text, every key with its value. What is printed can be read again.

#include "config_rows.h"

namespace rawvs {
namespace {

// A line that was barely short enough for inih when it was read must not grow by our blanks.
constexpr size_t kComfortable = 120;

void print_line(std::string_view key, std::string_view value, std::string& out) {
  const bool compact = key.size() + value.size() > kComfortable;
  out.append(key).append(compact ? "=" : value.empty() ? " =" : " = ").append(value).append("\n");
}

template <class Section>
bool prints(const Section&, std::string_view) {
  return true;
}
bool prints(const CheckConfig& check, std::string_view key) { return heeds(check.spec.kind, key); }

template <class Section>
void print_section(const std::string& title, const Section& section, std::span<const Row<Section>> rows,
                   std::string& out) {
  out.append(out.empty() ? "[" : "\n[").append(title).append("]\n");
  for (const Row<Section>& row : rows) {
    if (!prints(section, row.key)) continue;
    for (const std::string& value : row.texts(section)) print_line(row.key, value, out);
  }
}

}  // namespace

std::string print_config(const Config& config) {
  std::string out;
  print_section("director", config, director_rows(), out);
  for (const GroupConfig& group : config.groups) print_section("group " + group.name, group, group_rows(), out);
  for (const CheckConfig& c : config.checks) print_section("check " + c.name, c, check_rows(), out);
  for (const VirtualConfig& v : config.virtuals) print_section("virtual " + v.name, v, virtual_rows(), out);
  for (const VrrpConfig& v : config.vrrps) print_section("vrrp " + v.name, v, vrrp_rows(), out);
  if (config.sync) print_section("sync", *config.sync, sync_rows(), out);
  return out;
}

}  // namespace rawvs
