// SPDX-License-Identifier: BSD-2-Clause
// config_print.cpp: prints every key of a Config with its value.

#include "config/config_print.h"
#include "config/config_rows.h"

namespace rawvs {
namespace {

// Printing adds blanks, which must not make a line too long for inih; a longer value is printed without them.
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

std::span<const Row<Config>> rows_of(const Config&) { return director_rows(); }
std::span<const Row<GroupConfig>> rows_of(const GroupConfig&) { return group_rows(); }
std::span<const Row<CheckConfig>> rows_of(const CheckConfig&) { return check_rows(); }
std::span<const Row<VirtualConfig>> rows_of(const VirtualConfig&) { return virtual_rows(); }
std::span<const Row<VrrpConfig>> rows_of(const VrrpConfig&) { return vrrp_rows(); }
std::span<const Row<SyncConfig>> rows_of(const SyncConfig&) { return sync_rows(); }

}  // namespace

// Appends a line of this section. False: it has no more.
template <class Section>
bool ConfigPrinter::print(const std::string& title, const Section& section, std::string& out) {
  if (!titled_) {
    titled_ = true;
    row_ = nth_ = 0;
    out.append(std::exchange(first_, false) ? "[" : "\n[").append(title).append("]\n");
    return true;
  }
  const std::span<const Row<Section>> rows = rows_of(section);
  for (; row_ < rows.size(); ++row_, nth_ = 0) {
    if (prints(section, rows[row_].key) && print(rows[row_], &section, out)) return true;
  }
  titled_ = false;
  return false;
}

// The next value of this key. False: it has no more.
bool ConfigPrinter::print(const KeyRow& row, const void* section, std::string& out) {
  if (nth_ == row.count_in(section)) return false;
  const std::string value = row.text_in(section, nth_++);
  print_line(row.key, row.secret && secrets_ == Secrets::hidden ? kHiddenSecret : value, out);
  return true;
}

bool ConfigPrinter::next(std::string& out) {
  const auto each = [&](const char* kind, const auto& sections) {
    for (; section_ < sections.size(); ++section_) {
      if (print(kind + sections[section_].name, sections[section_], out)) return true;
    }
    return false;
  };
  for (; part_ != Part::end; part_ = static_cast<Part>(static_cast<uint8_t>(part_) + 1), section_ = 0) {
    bool more = false;
    switch (part_) {
      case Part::director: more = section_ == 0 && print("director", config_, out); break;
      case Part::groups: more = each("group ", config_.groups); break;
      case Part::checks: more = each("check ", config_.checks); break;
      case Part::virtuals: more = each("virtual ", config_.virtuals); break;
      case Part::vrrps: more = each("vrrp ", config_.vrrps); break;
      case Part::sync: more = config_.sync && print("sync", *config_.sync, out); break;
      case Part::end: break;
    }
    if (more) return true;
  }
  return false;
}

std::string print_config(const Config& config) { return print_config(config, Secrets::shown); }

std::string print_config(const Config& config, Secrets secrets) {
  std::string out;
  ConfigPrinter printer(config, secrets);
  while (printer.next(out)) continue;
  return out;
}

}  // namespace rawvs
