// SPDX-License-Identifier: BSD-2-Clause
#include "wire/formatted.h"

#include <cstring>

namespace rawvs {

void FormattedValue::add_to(std::string& out) const {
  switch (kind_) {
    case Kind::text: out += text_; break;
    case Kind::string: out += *string_; break;
    case Kind::view: out += *view_; break;
    case Kind::letter: out += static_cast<char>(number_); break;
    case Kind::signed_number: out += std::to_string(number_); break;
    case Kind::number: out += std::to_string(static_cast<uint64_t>(number_)); break;
  }
}

std::string formatted_values(const char* form, std::span<const FormattedValue> values) {
  std::string out;
  for (const FormattedValue& value : values) {
    const char* const hole = std::strstr(form, "{}");
    out.append(form, hole);
    value.add_to(out);
    form = hole + 2;
  }
  return out += form;
}

}  // namespace rawvs
