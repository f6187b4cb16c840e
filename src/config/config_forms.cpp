// SPDX-License-Identifier: BSD-2-Clause
#include "config/config_forms.h"

#include <algorithm>
#include <array>

namespace rawvs {
namespace {

std::optional<Error> read_addresses(std::string_view text, std::vector<Ip>& all) {
  const auto addresses = words(text);
  if (addresses.empty()) return Error{"no value; expected addresses with blanks between"};
  for (const std::string_view word : addresses) {
    const auto address = read_neighbor(word);
    if (!address) return address.error();
    all.push_back(*address);
  }
  return std::nullopt;
}

const char* switch_word(bool on) { return on ? "1" : "0"; }

}  // namespace

constexpr FormFor<bool> kSwitch = kValue<bool, read_switch, switch_word>;
constexpr FormFor<std::vector<Ip>> kAddresses = kList<Ip, read_addresses>;

constexpr FormFor<Duration> kDuration{
    {[](const KeyRow& row, std::string_view text, void* field) {
       const auto [least, most, or_zero] = row.limits;
       return take(read_duration(text, Duration(least), Duration(most), or_zero ? Zero::allowed : Zero::refused),
                   *static_cast<Duration*>(field));
     },
     [](const KeyRow&, const void* field, size_t) { return text(*static_cast<const Duration*>(field)); }}};

constexpr FormFor<Mark> kMark{
    {[](const KeyRow&, std::string_view text, void* field) {
       return take(read_mark(text), *static_cast<Mark*>(field));
     },
     [](const KeyRow&, const void* field, size_t) { return std::to_string(static_cast<const Mark*>(field)->value); },
     [](const void* field) { return size_t{static_cast<const Mark*>(field)->value != 0}; }}};

constexpr FormFor<Ip> kAddress{
    {[](const KeyRow&, std::string_view text, void* field) {
       return take(read_neighbor(text), *static_cast<Ip*>(field));
     },
     [](const KeyRow&, const void* field, size_t) { return text(*static_cast<const Ip*>(field)); },
     [](const void* field) { return size_t{!static_cast<const Ip*>(field)->unspecified()}; }}};

constexpr std::array<std::string_view, 2> kFamilyWords{"ipv4", "ipv6"};
constexpr FormFor<Family> kFamily{
    {.read = read_choice,
     .write = write_choice,
     .count = [](const void* f) { return size_t{*static_cast<const Family*>(f) != Family::ipv4}; },
     .words = kFamilyWords,
     .complaint = " is not one of "}};

std::optional<Error> read_choice(const KeyRow& row, std::string_view text, void* field) {
  const auto& words = row.form->words;
  const auto found = std::ranges::find(words, text);
  if (found == words.end()) {
    return Error{quoted(text) + std::string(row.form->complaint) + listed({words.begin(), words.end()})};
  }
  *static_cast<unsigned char*>(field) = static_cast<unsigned char>(found - words.begin());
  return std::nullopt;
}

std::string write_choice(const KeyRow& row, const void* field, size_t) {
  return std::string(row.form->words[*static_cast<const unsigned char*>(field)]);
}

std::optional<Error> read_text(const KeyRow& row, std::string_view text, void* field) {
  if (auto fault = row.form->fault(text)) return fault;
  *static_cast<std::string*>(field) = text;
  return std::nullopt;
}

std::string write_text(const KeyRow&, const void* field, size_t) { return *static_cast<const std::string*>(field); }

size_t count_text(const void* field) { return size_t{!static_cast<const std::string*>(field)->empty()}; }

std::optional<Error> KeyRow::set_in(void* section, std::string_view text) const {
  return form->read(*this, text, const_cast<void*>(field(section)));  // it is in a section that may be changed
}

std::optional<Error> KeyRow::replace_in(void* section, std::span<const std::string> texts) const {
  if (form->clear != nullptr) form->clear(const_cast<void*>(field(section)));
  for (const std::string& text : texts) {
    if (auto wrong = set_in(section, text)) return wrong;
  }
  return std::nullopt;
}

size_t KeyRow::count_in(const void* section) const { return form->count == nullptr ? 1 : form->count(field(section)); }

std::string KeyRow::text_in(const void* section, size_t n) const { return form->write(*this, field(section), n); }

std::vector<std::string> KeyRow::texts_in(const void* section) const {
  std::vector<std::string> all;
  for (size_t n = 0, count = count_in(section); n < count; ++n) all.push_back(text_in(section, n));
  return all;
}

}  // namespace rawvs
