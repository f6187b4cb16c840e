// SPDX-License-Identifier: BSD-2-Clause
#include "control/kept_marks.h"

#include <algorithm>
#include <functional>

#include "config/config_tables.h"

namespace rawvs {
namespace {

uint64_t hash(std::string_view name) { return std::hash<std::string_view>()(name); }

// Of address and first port.
uint64_t place_hash(const VirtualConfig& v) { return mixed(Endpoint{*v.vip(), Port(v.ports[0].ports[0].first)}); }

// Whichever address an interface has: its virtual keeps its mark.
bool same_address(const VirtualConfig& a, const VirtualConfig& b) {
  if (!a.address || !b.address || a.address->fixed()) return a.address == b.address;
  return a.address->interface == b.address->interface && a.address->family == b.address->family;
}

}  // namespace

void KeptMarks::add_to(Portions& walks) {
  const auto old = [this] { return was_.virtuals.size(); };
  const auto next = [this] { return next_.virtuals.size(); };
  add_marks(was_, old_, walks);
  walks.each(old, [this](size_t i) { know(i); });
  walks.each(next, [this](size_t i) { by_name(next_.virtuals[i]); });
  walks.each(next, [this](size_t i) { by_place(next_.virtuals[i]); });
  add_marks(next_, marks_, walks);
  walks.each(next, [this](size_t i) { choose(i); });
}

void KeptMarks::know(size_t i) {
  if (i == 0) {
    const auto count = static_cast<uint32_t>(was_.virtuals.size());
    names_.emplace(count), places_.emplace(count);
    taken_.resize(count);
  }
  const VirtualConfig& v = was_.virtuals[i];
  names_->add(hash(v.name), static_cast<Slot>(i));
  used_.insert(old_[i].value);
  if (v.mark.value == 0 && old_[i].value != 0 && v.vip()) places_->add(place_hash(v), static_cast<Slot>(i));
}

Slot KeptMarks::named(std::string_view name) const {
  return names_ ? names_->find(hash(name), [&](Slot i) { return was_.virtuals[i].name == name; }) : kNoSlot;
}

const VirtualConfig* KeptMarks::old_virtual(std::string_view name) const {
  const Slot found = named(name);
  return found == kNoSlot ? nullptr : &was_.virtuals[found];
}

void KeptMarks::by_name(VirtualConfig& v) {
  const Slot found = named(v.name);
  if (found == kNoSlot || !same_address(was_.virtuals[found], v)) return;
  if (was_.virtuals[found].mark.value == 0) keep(v, found);
}

void KeptMarks::by_place(VirtualConfig& v) {
  if (!places_ || !v.vip() || v.kept.value != 0) return;
  keep(v, places_->find(place_hash(v), [&](Slot i) {
    return !taken_[i] && was_.virtuals[i].address == v.address && was_.virtuals[i].ports == v.ports;
  }));
}

void KeptMarks::keep(VirtualConfig& v, Slot old) {
  if (old == kNoSlot || old_[old].value == 0) return;
  v.kept = old_[old];
  taken_[old] = true;
}

// A mark that was another's is still in use while the old groups are.
void KeptMarks::choose(size_t i) {
  VirtualConfig& v = next_.virtuals[i];
  Mark& mark = marks_[i];
  if (v.mark.value != 0 || mark.value == 0 || v.kept == mark) return;
  if (!used_.insert(mark.value).second) {
    mark.value = std::max(mark.value, free_);
    while (!used_.insert(mark.value).second) ++mark.value;
    free_ = mark.value + 1;
  }
  v.kept = mark;
}

}  // namespace rawvs
