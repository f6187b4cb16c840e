// SPDX-License-Identifier: BSD-2-Clause
// allowed.cpp: reads the file as rawvsd does.
#include "allowed.h"

#include "sys/engine/ini_file.h"

namespace rawvs::helper {

Allowed::Allowed(const Config& config) : seccomp_(config.seccomp) {
  for (const CheckConfig& check : config.checks) {
    if (check.spec.kind == CheckKind::exec) checks_.emplace(check.spec.program, check.spec.user);
  }
  for (const VirtualConfig& v : config.virtuals) {
    if (!v.notify.empty()) virtuals_.emplace(v.name, v.notify);
  }
  for (const VrrpConfig& vrrp : config.vrrps) {
    if (!vrrp.notify.empty()) notify_.emplace(vrrp.name, vrrp.notify);
  }
}

Result<Allowed> Allowed::read(const std::string& path, Fd file) {
  constexpr size_t kAtOnce = 1 << 20;
  IniFile ini(path, std::move(file), IniFile::Lists::ignored);
  while (!ini.step(kAtOnce)) continue;
  const auto config = ini.take();
  if (!config) return config.error();
  return Allowed(*config);
}

const std::string* Allowed::notify(const std::string& instance) const {
  const auto found = notify_.find(instance);
  return found == notify_.end() ? nullptr : &found->second;
}

const std::string* Allowed::notify_virtual(const std::string& name) const {
  const auto found = virtuals_.find(name);
  return found == virtuals_.end() ? nullptr : &found->second;
}

}  // namespace rawvs::helper
