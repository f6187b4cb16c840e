// SPDX-License-Identifier: BSD-2-Clause
// config_forms.h: what the key tables are written with: forms of fields, and rows that join a key, a field and its
// form. Private to the configuration module. Not: the tables (config_keys*.cpp), the grammars of values
// (config_values.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config_rows.h"
#include "config/config_values.h"

namespace rawvs {

template <class Field>
struct FormFor : Form {};  // a form of fields of this type alone

// Stores the value that was read, or returns why it could not be read.
template <class Value, class Field>
std::optional<Error> take(Result<Value> read, Field& field) {
  if (!read) return read.error();
  field = static_cast<Field>(std::move(*read));
  return std::nullopt;
}

template <class Number>
inline constexpr FormFor<Number> kNumber{{[](const KeyRow& row, std::string_view text, void* field) {
                                            return take(read_number(text, row.limits.least, row.limits.most),
                                                        *static_cast<Number*>(field));
                                          },
                                          [](const KeyRow&, const void* field, size_t) {
                                            return std::to_string(uint64_t{*static_cast<const Number*>(field)});
                                          }}};

extern const FormFor<bool> kSwitch;                // 0, 1
extern const FormFor<Duration> kDuration;          // within the row's limits
extern const FormFor<Mark> kMark;                  // 0: not set
extern const FormFor<Family> kFamily;              // ipv4 is not printed: it is what a file without the key means
extern const FormFor<Ip> kAddress;                 // unspecified: not set
extern const FormFor<std::vector<Ip>> kAddresses;  // several in one value, and several values

// One of these words, which are in the order of the field's values.
std::optional<Error> read_choice(const KeyRow& row, std::string_view text, void* field);
std::string write_choice(const KeyRow& row, const void* field, size_t n);
template <class Field>
constexpr FormFor<Field> choice(std::span<const std::string_view> words,
                                std::string_view complaint = " is not one of ") {
  static_assert(sizeof(Field) == 1);
  return {{.read = read_choice, .write = write_choice, .words = words, .complaint = complaint}};
}

// A text in which fault() finds no fault.
std::optional<Error> read_text(const KeyRow& row, std::string_view text, void* field);
std::string write_text(const KeyRow& row, const void* field, size_t n);
size_t count_text(const void* field);
constexpr FormFor<std::string> some_text(std::optional<Error> (*fault)(std::string_view)) {
  return {{.read = read_text, .write = write_text, .fault = fault}};
}
// The same; empty: not set.
constexpr FormFor<std::string> text_or_none(std::optional<Error> (*fault)(std::string_view)) {
  return {{.read = read_text, .write = write_text, .count = count_text, .fault = fault}};
}

// Any other value, by its own two functions.
template <class Field, Result<Field> (*kRead)(std::string_view), auto kWrite>
inline constexpr FormFor<Field> kValue{
    {[](const KeyRow&, std::string_view text, void* field) { return take(kRead(text), *static_cast<Field*>(field)); },
     [](const KeyRow&, const void* field, size_t) { return std::string(kWrite(*static_cast<const Field*>(field))); }}};

// A list to which kRead adds; each of its values has a text().
template <class Item, std::optional<Error> (*kRead)(std::string_view, std::vector<Item>&)>
inline constexpr FormFor<std::vector<Item>> kList{
    {.read = [](const KeyRow&, std::string_view t,
                void* field) { return kRead(t, *static_cast<std::vector<Item>*>(field)); },
     .write = [](const KeyRow&, const void* field,
                 size_t n) { return text((*static_cast<const std::vector<Item>*>(field))[n]); },
     .count = [](const void* field) { return static_cast<const std::vector<Item>*>(field)->size(); },
     .repeatable = true,
     .clear = [](void* field) { static_cast<std::vector<Item>*>(field)->clear(); }}};

// Where the fields of a section lie that are not its own, but of a part of it.
template <class Part>
struct In {
  using Section = Part;
  static const Part& part(const Section& section) { return section; }
};
template <>
struct In<Settings> {
  using Section = Config;
  static const Settings& part(const Section& section) { return section.settings; }
};
template <>
struct In<Timeouts> {
  using Section = Config;
  static const Timeouts& part(const Section& section) { return section.settings.timeouts; }
};
template <>
struct In<HealthPolicy> {
  using Section = VirtualConfig;
  static const HealthPolicy& part(const Section& section) { return section.health; }
};
template <>
struct In<LimitsConfig> {
  using Section = VirtualConfig;
  static const LimitsConfig& part(const Section& section) { return section.limits; }
};
template <>
struct In<CheckSpec> {
  using Section = CheckConfig;
  static const CheckSpec& part(const Section& section) { return section.spec; }
};
template <>
struct In<VrrpSpec> {
  using Section = VrrpConfig;
  static const VrrpSpec& part(const Section& section) { return section.spec; }
};
template <>
struct In<SyncSettings> {
  using Section = SyncConfig;
  static const SyncSettings& part(const Section& section) { return section.settings; }
};

template <auto kField>
struct Member;
template <class Part, class Type, Type Part::*kField>
struct Member<kField> {
  using Field = Type;
  using Section = typename In<Part>::Section;
  static const void* in(const void* section) {
    return &(In<Part>::part(*static_cast<const Section*>(section)).*kField);
  }
};

// A row of a key table: this key sets this field.
template <auto kField, class M = Member<kField>>
constexpr Row<typename M::Section> row(std::string_view key, const FormFor<typename M::Field>& form, const char* help,
                                       Limits limits = {}) {
  return {{key, help, M::in, &form, limits}};
}
template <auto kField, class M = Member<kField>>
constexpr Row<typename M::Section> number(std::string_view key, Limits limits, const char* help) {
  return row<kField>(key, kNumber<typename M::Field>, help, limits);
}
template <auto kField>
constexpr auto on_off(std::string_view key, const char* help) {
  return row<kField>(key, kSwitch, help);
}
template <auto kField>
constexpr auto duration(std::string_view key, Limits limits, const char* help) {
  return row<kField>(key, kDuration, help, limits);
}
template <class Section>
constexpr Row<Section> at_start(Row<Section> row) {
  row.at_start = true;
  return row;
}
template <class Section>
constexpr Row<Section> secret(Row<Section> row) {
  row.secret = true;
  return row;
}

inline constexpr uint32_t kTenth = 100, kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;
inline constexpr uint32_t kMonth = 31 * kDay;  // in milliseconds it is just below 2^32

}  // namespace rawvs
