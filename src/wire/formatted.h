// SPDX-License-Identifier: BSD-2-Clause
// formatted.h: builds a message from its words and the values in it, in less code than a chain of operator+.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace rawvs {

class FormattedValue {  // refers to the value
 public:
  FormattedValue(const char* text) : kind_(Kind::text), text_(text) {}
  FormattedValue(const std::string& text) : kind_(Kind::string), string_(&text) {}
  FormattedValue(const std::string_view& text) : kind_(Kind::view), view_(&text) {}
  FormattedValue(char letter) : kind_(Kind::letter), number_(letter) {}
  template <std::integral Number>
  FormattedValue(Number number)
      : kind_(std::is_signed_v<Number> ? Kind::signed_number : Kind::number), number_(static_cast<int64_t>(number)) {}
  void add_to(std::string& out) const;

 private:
  enum class Kind : uint8_t { text, string, view, letter, signed_number, number };
  Kind kind_;
  union {
    const char* text_;
    const std::string* string_;
    const std::string_view* view_;
    int64_t number_;
  };
};

std::string formatted_values(const char* form, std::span<const FormattedValue> values);

void each_hole_needs_a_value();  // is not defined: a wrong form does not compile

template <class... Values>
struct FormWith {
  const char* text;
  consteval FormWith(const char* form) : text(form) {
    size_t holes = 0;
    for (const char* c = form; *c != '\0'; ++c) holes += c[0] == '{' && c[1] == '}';
    if (holes != sizeof...(Values)) each_hole_needs_a_value();
  }
};

// The form with a value in place of each {}, as by std::format, which GCC 12 does not have.
template <class... Values>
std::string formatted(FormWith<std::type_identity_t<Values>...> form, const Values&... values) {
  const FormattedValue all[] = {FormattedValue(values)...};
  return formatted_values(form.text, all);
}

}  // namespace rawvs
