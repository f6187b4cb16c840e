// SPDX-License-Identifier: BSD-2-Clause
// site.h: requests -> answers: which paths there are, who may read them, and under which conditions.
// In:  requests; what the director answered, as it comes.
// Out: answers.
// Not: sockets (server.h), asking the director (board.h).
//
// A body is made once for each state of the director, and kept until the next one, unless it depends on a search.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tools/rawvs-web/history.h"
#include "tools/rawvs-web/options.h"
#include "tools/rawvs-web/page.h"
#include "tools/rawvs-web/password.h"
#include "tools/rawvs-web/snapshot.h"

namespace rawvs::web {

struct Request {
  std::string method, path;
  std::string host{};           // of Host:
  std::string authorization{};  // of Authorization:
  std::map<std::string, std::string> args{};
  bool body = false;  // it has one
};

struct Answer {
  unsigned status = 200;
  const char* type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body{};
  const char *header = "", *value = "";  // one more
};

// The headers of each answer.
struct FixedHeader {
  const char *name, *value;
};
inline constexpr FixedHeader kHeaders[] = {
    {"Content-Security-Policy",
     "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
     "form-action 'self'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
    {"Connection", "close"}};

class Site {
 public:
  // own_name: the host's. Requests for other names are refused, so that no page of another site can read this one by a
  // name that it lets point here (DNS rebinding).
  Site(const Options& options, std::optional<Passwords> passwords, std::string own_name);

  void update(Snapshot snapshot, int64_t second);  // second: of a clock that does not step
  Answer answer(const Request& request, Instant now, time_t wall);

 private:
  bool names_this(const std::string& host) const;
  std::optional<Answer> refusal(const Request& request, Instant now);
  Answer page(const Request& request, time_t wall);
  Answer view(const Request& request);
  Answer curves(const Request& request) const;
  template <class Make>
  Answer kept(const std::string& path, const char* type, Make make);

  std::vector<std::string> names_;
  std::optional<Passwords> passwords_;
  History history_;
  Snapshot snapshot_{.trouble = "rawvsd was not asked yet"};
  std::map<std::string, std::shared_ptr<const std::string>> bodies_{};  // of this snapshot, by path
};

}  // namespace rawvs::web
