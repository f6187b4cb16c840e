// SPDX-License-Identifier: BSD-2-Clause
#include "wire/formatted.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace rawvs {
namespace {

TEST(Formatted, PutsEachValueInItsPlace) {
  const std::string name = "eth0";
  EXPECT_EQ(formatted("{}: {} of {} VIPs", name, 3, uint64_t{4}), "eth0: 3 of 4 VIPs");
  EXPECT_EQ(formatted("{}{}", std::string_view("name").substr(1), 'x'), "amex");
  EXPECT_EQ(formatted("{}", std::string("a\0b", 3)), std::string("a\0b", 3));
  EXPECT_EQ(formatted("{} is {}", "{}", std::string("{}")), "{} is {}") << "values are no forms";
}

TEST(Formatted, KeepsOtherBraces) {
  EXPECT_EQ(formatted("{ {} } {", 1), "{ 1 } {");
  EXPECT_EQ(formatted("}{{}{", 1), "}{1{");
}

TEST(Formatted, WritesNumbersOfAnySizeAndSign) {
  EXPECT_EQ(formatted("{} {}", INT64_MIN, UINT64_MAX), "-9223372036854775808 18446744073709551615");
  EXPECT_EQ(formatted("{} {} {}", uint8_t{200}, int16_t{-7}, uint16_t{65535}), "200 -7 65535");
}

}  // namespace
}  // namespace rawvs
