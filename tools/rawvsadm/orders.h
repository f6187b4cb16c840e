// SPDX-License-Identifier: BSD-2-Clause
// orders.h: drain, undrain, disable, enable: what a name means to them, their requests, and orders as text.
// In:  rows of "list"; what was typed.
// Out: requests; texts.
// Not: waiting until a drained server has no connections (words_drain.cpp).
#pragma once

#include "table_names.h"
#include "words.h"

namespace rawvs::adm {

// As typed, for set-order: a virtual's services, and all their servers; or servers alone.
struct Meant {
  Rows services, servers;
};
Result<Meant> meant_by(const TableNames& table, const std::string& typed, const Names& hosts);

// order: none, drained or disabled. was: only in place of this order; empty: of any.
std::vector<std::string> order_requests(const Meant& meant, const std::string& order, const std::string& was = "");

// By its order: "drained by root since 2026-01-31 23:59:59"; empty: it has none. Looks up the user's name.
std::string order_text(const Row& row);

}  // namespace rawvs::adm
