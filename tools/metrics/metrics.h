// SPDX-License-Identifier: BSD-2-Clause
// metrics.h: the director's rows as metrics for Prometheus.
// In:  rows of the requests of kStatusView (views.h), as the control socket gives them.
// Out: text in Prometheus's exposition format, version 0.0.4: each metric once, with HELP and TYPE, no series twice.
// Not: asking the daemon, the clock.
//
// node_ipvs_*: names, labels and meaning of node_exporter's collector for IPVS. rawvs_*: all else.
// Services, VIPs and servers beyond the first kMetricServices and kMetricServers are left out, and counted by
// rawvs_metrics_left_out: so much text is about 13 MB.
#pragma once

#include <string>
#include <string_view>

#include "tools/rawvsadm/row.h"

namespace rawvs::adm {

inline constexpr size_t kMetricServices = 2048, kMetricServers = 4096;

std::string metrics_text(const Rows& rows);
std::string label_text(std::string_view value);  // between the quotes of a label

}  // namespace rawvs::adm
