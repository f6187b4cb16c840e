// SPDX-License-Identifier: BSD-2-Clause
// json.h: rows of the control protocol as JSON, written by json-c.
// In:  rows.
// Out: one object: {"daemon": {...}, "services": [{..., "servers": [...]}], ...}.
//
// The keys are the protocol's; numbers are numbers, and the protocol's - is null. A row that follows its owner (server,
// rival, frame) is in a list of its owner.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "row.h"

struct json_object;  // of json-c

namespace rawvs::adm {

class Json {  // a value; copies share it
 public:
  static Json object();
  static Json list();
  static Json text(std::string_view value);
  static Json number(uint64_t value);
  static Json fraction(double value);
  static Json truth(bool value);
  static Json nothing();
  static Json of(const Row& row);  // the row's keys without its word

  Json& set(const char* key, const Json& value);  // REQUIRES: an object
  Json& add(const Json& value);                   // REQUIRES: a list
  std::string line() const;                       // as text, and a line end

 private:
  explicit Json(json_object* value);
  std::shared_ptr<json_object> value_;
};

// lists: words whose list exists even without rows: {"service", "exit"}.
Json json_of(const std::vector<std::string>& rows, std::initializer_list<const char*> lists = {});

}  // namespace rawvs::adm
