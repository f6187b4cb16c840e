// SPDX-License-Identifier: BSD-2-Clause
// fast_engine.cpp: everything between the fast path and the director.
#include "sys/engine/fast_engine.h"

#include <algorithm>

#include "sys/io/fast_path.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

#ifdef RAWVS_FAST
constexpr uint32_t kMostPlaces = UINT16_MAX;  // a flow names its server, and a server its way, by 16 bits

FastPath::Sizes sizes_of(const Config& config) {
  const uint32_t servers = std::min(config.settings.max_servers, kMostPlaces);
  return {.flows = config.fast_flows,
          .servers = servers,
          .hops = std::min(servers + static_cast<uint32_t>(kMostLinks), kMostPlaces)};
}
#endif

}  // namespace

FastEngine::FastEngine(const Config& config, const Log& log, Director& director)
    : config_(config), log_(log), director_(director) {}

void FastEngine::say(Severity severity, const std::string& text) const { log_.write(severity, "fast path: " + text); }

#ifdef RAWVS_FAST

FastEngine::~FastEngine() = default;

void FastEngine::load() {
  if (config_.fast_path == FastMode::off) return;
  const bool wanted = config_.fast_path == FastMode::on;
  if (config_.io == IoMode::xdp) {
    if (wanted) say(Severity::warning, "off: io = xdp reads frames before it");
    return;
  }
  const FastPath::Sizes sizes = sizes_of(config_);
  auto loaded = FastPath::load(sizes);
  if (!loaded) return say(wanted ? Severity::warning : Severity::info, "off: " + loaded.error().text);
  path_ = std::move(*loaded);
  say(Severity::info, formatted("on: {} flows, {} KB", sizes.flows, FastPath::bytes(sizes) / 1024));
  director_.use_fast_path(path_->memory(), random_hash_key());
  serves_ = true;
}

int FastEngine::taps() const { return path_ ? path_->taps() : -1; }

void FastEngine::stop() {
  if (!serves_) return;
  serves_ = false;
  director_.hold_fast_path(true);
}

void FastEngine::go_on() {
  if (!path_ || serves_) return;
  director_.hold_fast_path(false);
  serves_ = true;
}

Result<std::unique_ptr<FastHook>> FastEngine::attach(int ifindex, FastWays ways) const {
  return FastHook::attach(ifindex, path_->classifier(), ways);
}

void FastEngine::link(Link link, bool on) {
  if (path_) director_.fast_on(link, on);
}

#else

FastEngine::~FastEngine() = default;

void FastEngine::load() {
  if (config_.fast_path == FastMode::on) say(Severity::warning, "off: this rawvsd was built without it (FAST=no)");
}

int FastEngine::taps() const { return -1; }
void FastEngine::stop() {}
void FastEngine::go_on() {}
Result<std::unique_ptr<FastHook>> FastEngine::attach(int, FastWays) const { return Error{"not built in"}; }
void FastEngine::link(Link, bool) {}

#endif

}  // namespace rawvs
