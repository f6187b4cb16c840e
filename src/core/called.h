// SPDX-License-Identifier: BSD-2-Clause
// called.h: what people read of a service or server in log lines and explanations: its name first, if it has one.
#pragma once

#include <string>

#include "core/short_name.h"

namespace rawvs {

// web2 (192.0.2.12:80); without a name 192.0.2.12:80.
std::string called(const ShortName& name, const std::string& address);

}  // namespace rawvs
