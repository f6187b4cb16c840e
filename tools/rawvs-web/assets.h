// SPDX-License-Identifier: BSD-2-Clause
// assets.h: the page's style sheet and script.
#pragma once

#include <string_view>

namespace rawvs::web {

extern const std::string_view kStyleSheet, kScript;

}  // namespace rawvs::web
