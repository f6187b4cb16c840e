// SPDX-License-Identifier: BSD-2-Clause
// site.cpp: requests -> answers.
#include "tools/rawvs-web/site.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "tools/metrics/metrics.h"
#include "tools/rawvs-web/assets.h"
#include "tools/rawvsadm/json.h"

namespace rawvs::web {

using adm::Json;

namespace {

constexpr const char *kJson = "application/json", *kHistoryPath = "/api/v1/history";
constexpr size_t kSearchMost = 64;

constexpr adm::View kServicesView{{"list"}, {"service"}}, kSyncView{{"sync"}, {"sync"}};
const std::map<std::string_view, const adm::View*> kViews = {
    {"/api/v1/status", &adm::kStatusView}, {"/api/v1/services", &kServicesView},
    {"/api/v1/drops", &adm::kDropsView},   {"/api/v1/neighbours", &adm::kNeighboursView},
    {"/api/v1/vrrp", &adm::kVrrpView},     {"/api/v1/sync", &kSyncView},
    {"/api/v1/events", &adm::kEventsView}};

Json all_paths() {
  Json list = Json::list();
  for (const auto& [path, view] : kViews) list.add(Json::text(path));
  list.add(Json::text(kHistoryPath));
  return Json::object().set("paths", list);
}

std::shared_ptr<const std::string> body_of(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

Answer plain(unsigned status, const std::string& text) { return {.status = status, .body = body_of(text + '\n')}; }

Answer json_error(unsigned status, const std::string& text) {
  return {.status = status, .type = kJson, .body = body_of(Json::object().set("error", Json::text(text)).line())};
}

// Without its port and the brackets of IPv6.
std::string bare_host(const std::string& host) {
  const size_t bracket = host.find(']');
  if (host.starts_with('[') && bracket != std::string::npos) return host.substr(1, bracket - 1);
  return host.substr(0, host.find(':'));
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

std::string arg(const Request& request, const char* name) {
  const auto found = request.args.find(name);
  return found == request.args.end() ? "" : found->second;
}

}  // namespace

adm::Rows Snapshot::rows(const adm::View& view) const {
  adm::Rows out;
  for (const char* const request : view.requests) {
    const auto found = replies.find(request);
    if (found != replies.end()) out.insert(out.end(), found->second.begin(), found->second.end());
  }
  return out;
}

Site::Site(const Options& options, std::optional<Passwords> passwords, std::string own_name)
    : names_(options.names), passwords_(std::move(passwords)), history_(options.history) {
  names_.emplace_back("localhost");
  if (!own_name.empty()) names_.push_back(std::move(own_name));
  for (std::string& name : names_) name = lower(name);
}

void Site::update(Snapshot snapshot, int64_t second) {
  if (snapshot.trouble.empty()) {
    history_.take(snapshot.rows(kServicesView), second);
    snapshot_ = std::move(snapshot);
  } else {
    snapshot_.trouble = std::move(snapshot.trouble);
  }
  bodies_.clear();
}

bool Site::names_this(const std::string& host) const {
  const std::string bare = lower(bare_host(host));
  return parse_ip(bare) || std::ranges::find(names_, bare) != names_.end();
}

std::optional<Answer> Site::refusal(const Request& request, Instant now) {
  if (request.method != "GET" && request.method != "HEAD") {
    Answer no = plain(405, "Only GET and HEAD: nothing can be changed here.");
    no.header = "Allow", no.value = "GET, HEAD";
    return no;
  }
  if (request.body) return plain(413, "A request has no body here.");
  if (!names_this(request.host)) {
    return plain(421, "This host is not known by that name: see --name in rawvs-web(8).");
  }
  if (!passwords_) return std::nullopt;
  const Passwords::Answer given =
      request.authorization.empty() ? Passwords::Answer::wrong : passwords_->check(request.authorization, now);
  if (given == Passwords::Answer::right) return std::nullopt;
  Answer no = given == Passwords::Answer::busy ? plain(503, "Too many passwords were tried: again in a second.")
                                               : plain(401, "A name and its password are needed.");
  no.header = no.status == 401 ? "WWW-Authenticate" : "Retry-After";
  no.value = no.status == 401 ? "Basic realm=\"rawvs\", charset=\"UTF-8\"" : "1";
  return no;
}

template <class Make>
Answer Site::kept(const std::string& path, const char* type, Make make) {
  auto& body = bodies_[path];
  if (!body) body = body_of(make());
  return {.type = type, .body = body};
}

Answer Site::page(const Request& request, time_t wall) {
  constexpr const char* kHtml = "text/html; charset=utf-8";
  const PageQuery query{arg(request, "q").substr(0, kSearchMost), arg(request, "service")};
  const auto make = [&] { return page_html(snapshot_, history_, query, wall); };
  if (query.search.empty() && query.service.empty()) return kept("/", kHtml, make);
  return {.type = kHtml, .body = body_of(make())};
}

// The same JSON as rawvsadm's. While the director does not answer, older numbers would be taken for present ones.
Answer Site::view(const Request& request) {
  if (!snapshot_.trouble.empty()) return json_error(503, snapshot_.trouble);
  const adm::View& view = *kViews.at(request.path);
  return kept(request.path, kJson, [&] { return adm::json_of(snapshot_.rows(view), view.lists).line(); });
}

Answer Site::curves(const Request& request) const {
  constexpr std::pair<const char*, Measure> kNames[] = {{"connections-per-second", Measure::connection_rate},
                                                        {"bytes-in-per-second", Measure::bytes_in},
                                                        {"bytes-out-per-second", Measure::bytes_out},
                                                        {"connections", Measure::connections},
                                                        {"latency", Measure::latency}};
  const std::string server = arg(request, "server"),
                    item = arg(request, "service") + (server.empty() ? "" : ' ' + server);
  Json out = Json::object();
  for (const auto& [name, span, step] : {std::tuple("hour", History::Span::hour, History::kHourStep),
                                         std::tuple("day", History::Span::day, History::kDayStep)}) {
    Json one = Json::object();
    one.set("step", Json::number(static_cast<uint64_t>(step)));
    for (const auto& [key, measure] : kNames) {
      const std::vector<float> values = history_.curve(item, measure, span);
      if (values.empty()) return json_error(404, "no history is kept of it");
      Json list = Json::list();
      for (const float value : values)
        list.add(std::isnan(value) ? Json::nothing() : Json::fraction(static_cast<double>(value)));
      one.set(key, list);
    }
    out.set(name, one);
  }
  return {.type = kJson, .body = body_of(out.line())};
}

Answer Site::answer(const Request& request, Instant now, time_t wall) {
  if (auto no = refusal(request, now)) return *no;
  if (request.path == "/") return page(request, wall);
  if (request.path == "/style.css") {
    static const auto kBody = body_of(std::string(kStyleSheet));
    return {.type = "text/css; charset=utf-8", .body = kBody};
  }
  if (request.path == "/page.js") {
    static const auto kBody = body_of(std::string(kScript));
    return {.type = "text/javascript; charset=utf-8", .body = kBody};
  }
  if (request.path == "/metrics") {
    return kept(request.path, "text/plain; version=0.0.4; charset=utf-8", [&] {
      return adm::metrics_text(snapshot_.trouble.empty() ? snapshot_.rows(adm::kStatusView) : adm::Rows{});
    });
  }
  if (kViews.count(request.path) != 0) return view(request);
  if (request.path == kHistoryPath) return curves(request);
  if (request.path == "/api/v1/") return {.type = kJson, .body = body_of(all_paths().line())};
  if (request.path.starts_with("/api/")) return json_error(404, "no such path; /api/v1/ lists them");
  return plain(404, "There is no such page: / has all there is.");
}

}  // namespace rawvs::web
