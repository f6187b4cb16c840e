// SPDX-License-Identifier: BSD-2-Clause
// result.h: errors as values that say where, what was found and what was expected.
//
// Start-up, configuration and control use Result. Each layer adds its place with at(): "rawvs.ini:12: [virtual web]
// ports: "tcp/8O": ...". The packet path uses Exit (exit.h) instead.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace rawvs {

struct Error {
  std::string text;
};
inline Error at(std::string_view place, const Error& e) { return {std::string(place) + ": " + e.text}; }

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::move(value)) {}  // implicit: a Result is built by returning
  Result(Error error) : v_(std::move(error)) {}
  explicit operator bool() const { return v_.index() == 0; }
  T& operator*() { return *std::get_if<0>(&v_); }
  const T& operator*() const { return *std::get_if<0>(&v_); }
  T* operator->() { return std::get_if<0>(&v_); }
  const T* operator->() const { return std::get_if<0>(&v_); }
  const Error& error() const { return *std::get_if<1>(&v_); }

 private:
  std::variant<T, Error> v_;
};

struct Done {};  // success without a value: Result<Done>

}  // namespace rawvs
