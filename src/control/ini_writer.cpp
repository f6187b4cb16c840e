// SPDX-License-Identifier: BSD-2-Clause
// ini_writer.cpp: writes the present tables as a configuration file. A virtual of the file keeps its name as long as
// one of its services exists, and with it what only the file has: its checks, its sorry server. Services made by
// rawvsadm get a name by their address. Groups are the file's.

#include "control/ini_writer.h"

#include <algorithm>
#include <map>
#include <set>

#include "config/config_rows.h"
#include "config/config_tables.h"
#include "config/config_values.h"
#include "config/portions.h"
#include "control/ini_servers.h"
#include "control/table_walk.h"
#include "core/service.h"
#include "rawvs/settings.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

std::string rule_name(const ServiceKey& key) {
  if (key.mark.value != 0) return formatted("mark{}-{}", key.family() == Family::ipv4 ? "" : "6", key.mark.value);
  const uint16_t port = key.vip.port.value;
  std::string address = text(key.vip.addr);
  std::ranges::replace(address, ':', '_');  // which no name of a section may have
  constexpr size_t kMost = 17;              // a name has at most 32 characters: of a long one, the end says more
  if (address.size() > kMost) address.erase(0, address.size() - kMost);
  return formatted("{}-{}-{}", name(key.protocol), address, port == 0 ? "all" : std::to_string(port));
}

}  // namespace

class IniWriter::Work {
 public:
  Work(const Config& config, Secrets secrets);
  Next next(size_t work, std::string& line, const Director& director);

  std::vector<std::string> faults_;
  bool hides_secret_ = false;

 private:
  struct Found {  // a service of the table
    ServiceSpec spec{};
    TableServers servers{};
    bool written = false;
  };
  struct Part {  // a virtual of live_ whose servers are to be written
    size_t of_live;
    IniServers servers;
  };

  bool replaced() const { return virtuals_ != config_.virtuals.data() || groups_ != config_.groups.data(); }
  void take(size_t slot, size_t item);
  void write_virtual(size_t i);
  void write_each(const VirtualConfig& v, Mark mark, std::vector<std::pair<Found*, std::vector<PortMatch>>> parts);
  void write_as(const VirtualConfig& from, std::vector<PortMatch> ports, Mark mark, Found& found, bool in_file = true);
  void write_group_of(const VirtualConfig& v, Mark mark);
  void write_new(Found& found);
  void write_vrrp(size_t i);
  std::string free_name(const std::string& wanted);
  void prepare();
  void prepare_marks();
  bool check(size_t work);
  void add_end();

  const Config& config_;
  const Secrets secrets_;
  const Director* director_ = nullptr;
  const VirtualConfig* const virtuals_;  // as they were at the beginning
  const GroupConfig* const groups_;

  TableWalk present_;
  std::vector<Found> found_;
  std::vector<Part> parts_;
  std::map<ServiceKey, size_t> by_key_;
  std::vector<Mark> marks_;                          // of the file's virtuals
  std::vector<std::pair<size_t, Mark>> was_chosen_;  // virtuals of live_ with a chosen mark
  std::set<std::string, std::less<>> names_, group_names_;
  std::set<std::string> written_;  // names of virtuals of live_
  std::set<ServiceKey> carried_;   // marks of groups
  std::set<Ip> file_vips_, vips_;
  bool other_vips_ = false;
  std::map<std::string, size_t, std::less<>> trackers_;  // by virtual: the first of [vrrp] that tracks it
  Config live_;
  Portions walks_;
  bool prepared_ = false, checked_ = false, ended_ = false;
  std::unique_ptr<ConfigPrinter> trial_;
  ConfigReader reader_{"(table)"};
  Config again_;  // what it has read
  std::unique_ptr<ConfigPrinter> printer_;
  std::string lines_;
};

IniWriter::Work::Work(const Config& config, Secrets secrets)
    : config_(config), secrets_(secrets), virtuals_(config.virtuals.data()), groups_(config.groups.data()) {
  prepare();
}

void IniWriter::Work::prepare() {
  const auto groups = [this] { return config_.groups.size(); };
  const auto virtuals = [this] { return config_.virtuals.size(); };
  const auto vrrps = [this] { return config_.vrrps.size(); };
  walks_.each_of([this] { return director_->services().services().size(); },
                 [this](size_t slot) { return present_.items(director_->services(), slot); },
                 [this](size_t slot, size_t n) { take(slot, n); });
  walks_.each(groups, [this](size_t i) {
    const GroupConfig& group = config_.groups[i];
    live_.groups.push_back(group);
    group_names_.insert(group.name);
    carried_.insert(mark_key(group.mark, group.family()));
    for (const GroupConfig::Match& match : group.matches) file_vips_.insert(match.vip), vips_.insert(match.vip);
    walks_.spend(group.matches.size());
  });
  walks_.each(virtuals, [this](size_t i) {
    names_.insert(config_.virtuals[i].name);
    if (const auto vip = config_.virtuals[i].vip()) file_vips_.insert(*vip);
  });
  add_marks(config_, marks_, walks_);
  walks_.each_of(
      vrrps, [this](size_t i) { return config_.vrrps[i].spec.tracks.size(); },
      [this](size_t i, size_t n) { trackers_.emplace(config_.vrrps[i].spec.tracks[n].name, i); });
  walks_.each(virtuals, [this](size_t i) { write_virtual(i); });
  walks_.each([this] { return found_.size(); }, [this](size_t i) { write_new(found_[i]); });
  walks_.each_of([this] { return parts_.size(); }, [this](size_t i) { return parts_[i].servers.steps(); },
                 [this](size_t i, size_t n) { parts_[i].servers.step(n, live_.virtuals[parts_[i].of_live].servers); });
  prepare_marks();
  walks_.each([this] { return config_.checks.size(); },
              [this](size_t i) { live_.checks.push_back(config_.checks[i]); });
  walks_.once([this] { other_vips_ = vips_ != file_vips_; });
  walks_.each(vrrps, [this](size_t i) { write_vrrp(i); });
  walks_.once([this] {
    const auto copy = [this](auto... fields) { ((live_.*fields = config_.*fields), ...); };
    copy(&Config::interface, &Config::inside, &Config::auto_interfaces, &Config::local_clients, &Config::control,
         &Config::control_group, &Config::read_group, &Config::user, &Config::seccomp, &Config::guard, &Config::io,
         &Config::state, &Config::state_interval, &Config::fast_path, &Config::fast_flows, &Config::ring_frames,
         &Config::sync);
    live_.settings = director_->settings();
  });
}

// Chosen marks need not be written if reading the file chooses them again.
void IniWriter::Work::prepare_marks() {
  const auto chosen = std::shared_ptr<std::vector<Mark>>(new std::vector<Mark>());
  const auto changed = std::shared_ptr<bool>(new bool(false));
  const auto with_chosen = [this] { return was_chosen_.size(); };
  add_marks(live_, *chosen, walks_);
  walks_.each(with_chosen, [this, chosen, changed](size_t i) {
    if ((*chosen)[was_chosen_[i].first] != was_chosen_[i].second) *changed = true;
  });
  walks_.each(with_chosen, [this, changed](size_t i) {
    if (*changed) live_.virtuals[was_chosen_[i].first].mark = was_chosen_[i].second;
  });
}

// A server that was removed since the service was copied is left out.
void IniWriter::Work::take(size_t slot, size_t item) {
  if (item == 0) {
    const Service* const service = present_.service(director_->services(), slot);
    if (!service) return;
    by_key_.emplace(service->spec.key, found_.size());
    found_.emplace_back().spec = service->spec;
  } else if (const Server* const server = present_.server(director_->services(), item)) {
    TableServers& servers = found_.back().servers;
    (server->taken_out ? servers.taken_out : servers.in).push_back(server->wanted());
  }
}

std::string IniWriter::Work::free_name(const std::string& wanted) {
  std::string name = wanted;
  for (int n = 2; !names_.insert(name).second; ++n) name = wanted + '-' + std::to_string(n);
  return name;
}

// Writes the services of the file's virtual: one, or one for each protocol.
void IniWriter::Work::write_virtual(size_t i) {
  const VirtualConfig& v = config_.virtuals[i];
  const Mark mark = marks_[i];
  std::vector<std::pair<Found*, std::vector<PortMatch>>> parts;
  const std::vector<ServiceKey> wanted = services_of(v, mark);
  for (size_t n = 0; n < wanted.size(); ++n) {
    const auto there = by_key_.find(wanted[n]);
    if (there == by_key_.end()) continue;
    parts.emplace_back(&found_[there->second], mark.value != 0 ? v.ports : std::vector{v.ports[n]});
  }
  if (v.address && !v.address->now) {  // its interface has no address: no service can have changed
    live_.virtuals.push_back(v);
    written_.insert(v.name);
    return;
  }
  if (parts.empty()) {
    if (mark.value != 0 && v.address) write_group_of(v, mark);
    return;
  }
  const Found& first = *parts[0].first;
  const bool alike = std::all_of(parts.begin() + 1, parts.end(), [&](const auto& part) {
    const Found& other = *part.first;
    walks_.spend(first.servers.count() + other.servers.count());
    return rawvs::alike(first.spec, other.spec) && same_servers(first.servers, other.servers);
  });
  for (auto& [found, ports] : parts) found->written = true;
  if (!alike || parts.size() != wanted.size()) return write_each(v, mark, std::move(parts));
  write_as(v, v.ports, mark, *parts[0].first);
}

// rawvsadm has changed one of the virtual's services: each becomes a virtual.
void IniWriter::Work::write_each(const VirtualConfig& v, Mark mark,
                                 std::vector<std::pair<Found*, std::vector<PortMatch>>> parts) {
  for (auto& [found, ports] : parts) {
    write_as(v, std::move(ports), mark, *found);
    if (found != parts[0].first) live_.virtuals.back().name = free_name(rule_name(found->spec.key));
  }
  const auto tracker = trackers_.find(v.name);
  if (tracker == trackers_.end()) return;
  faults_.push_back(
      formatted("[vrrp {}] tracks [virtual {}], and rawvsadm has made its services different: one name cannot stand "
                "for both",
                config_.vrrps[tracker->second].name, v.name));
}

// What rawvsadm can change is the table's; everything else is the file's.
void IniWriter::Work::write_as(const VirtualConfig& from, std::vector<PortMatch> ports, Mark mark, Found& found,
                               bool in_file) {
  const ServiceSpec& spec = found.spec;
  VirtualConfig& v = live_.virtuals.emplace_back();
  v.name = from.name;
  written_.insert(from.name);
  v.address = from.address;
  v.ports = std::move(ports);
  v.mark = from.mark;
  v.scheduler = spec.scheduler;
  v.flags = {spec.flags != 0 ? std::optional(spec.scheduler) : std::nullopt, spec.flags};
  v.persistence = spec.persistence;
  v.family = from.family;
  v.netmask = ClientMask(spec.netmask, spec.key.family());
  v.one_packet = spec.one_packet;
  v.check = from.check;
  v.health = from.health;
  v.sorry = from.sorry;
  v.limits = from.limits;
  v.notify = from.notify;
  if (const auto vip = from.vip()) vips_.insert(*vip);
  if (mark.value != 0 && from.mark.value == 0) was_chosen_.emplace_back(live_.virtuals.size() - 1, mark);
  parts_.push_back(
      {live_.virtuals.size() - 1, IniServers(in_file ? &from : nullptr, spec.key.vip.port, std::move(found.servers))});
}

// Writes the group of a removed service: its packets still carry the mark, and no other service gets them.
void IniWriter::Work::write_group_of(const VirtualConfig& v, Mark mark) {
  GroupConfig& group = live_.groups.emplace_back();
  group.name = v.name;
  for (int n = 2; !group_names_.insert(group.name).second; ++n) {
    group.name = n == 2 ? formatted("mark-{}", mark.value) : formatted("mark-{}-{}", mark.value, n);
  }
  group.mark = mark;
  for (const PortMatch& match : v.ports) group.matches.push_back({*v.vip(), match, Network::all(v.vip()->family())});
  vips_.insert(*v.vip());
}

// Writes a service that the file does not have.
void IniWriter::Work::write_new(Found& found) {
  if (found.written) return;
  const ServiceKey& key = found.spec.key;
  VirtualConfig from;
  from.name = free_name(rule_name(key));
  from.mark = key.mark;
  if (key.mark.value != 0) from.family = key.family();
  std::vector<PortMatch> ports;
  if (key.mark.value == 0) {
    const uint16_t port = key.vip.port.value;
    from.address = key.vip.addr;
    ports = {{key.protocol, {port == 0 ? kEveryPort : PortRange{port, port}}}};
  } else if (!carried_.contains(key)) {
    faults_.push_back(formatted(
        "{}: no group says which packets carry it, and a file cannot have a service of a mark without one", text(key)));
    return;
  }
  write_as(from, std::move(ports), Mark(), found, false);
}

// An instance without addresses has the file's VIPs: if these have changed, they are written out.
void IniWriter::Work::write_vrrp(size_t i) {
  VrrpConfig& v = live_.vrrps.emplace_back(config_.vrrps[i]);
  for (const VrrpTrack& track : v.spec.tracks) {
    if (written_.contains(track.name)) continue;
    faults_.push_back(formatted("[vrrp {}] tracks [virtual {}], whose service was removed", v.name, track.name));
  }
  if (v.spec.addresses.empty() && other_vips_) {
    std::ranges::copy_if(file_vips_, std::back_inserter(v.spec.addresses),
                         [&](Ip vip) { return vip.family() == v.family; });
    v.family = Family::ipv4;
  }
  walks_.spend(v.spec.addresses.size() + v.spec.tracks.size());
}

// Reads the text as a file. True: the result is known.
bool IniWriter::Work::check(size_t work) {
  if (!trial_) trial_ = std::make_unique<ConfigPrinter>(live_);
  for (const size_t until = reader_.worked() + work; reader_.worked() < until;) {
    std::string line;
    if (reader_.wants_text()) trial_->next(line) ? reader_.feed(line) : reader_.end();
    if (!reader_.step(until - reader_.worked())) continue;
    for (const std::string& fault : reader_.findings().faults) faults_.push_back(fault);
    if (auto read = reader_.take()) again_ = std::move(*read);
    return true;
  }
  return false;
}

// Memory is freed in portions, too.
void IniWriter::Work::add_end() {
  const auto has_password = [](const VrrpConfig& v) { return !v.spec.password.empty(); };
  hides_secret_ = secrets_ == Secrets::hidden &&
                  ((live_.sync && !live_.sync->key.empty()) || std::ranges::any_of(live_.vrrps, has_password));
  add_freeing(again_, walks_);
  add_freeing(live_, walks_);
  walks_.each([this] { return names_.size(); },
              [this](size_t) {
                const auto drop = [](auto&... all) { (Portions::drop(all), ...); };
                drop(names_, written_, by_key_);
              });
}

IniWriter::Next IniWriter::Work::next(size_t work, std::string& line, const Director& director) {
  director_ = &director;
  if (!prepared_) {
    if (replaced())
      walks_ = {}, faults_ = {"the configuration was reloaded meanwhile: try again"}, prepared_ = checked_ = true;
    if (!prepared_ && !walks_.step(work)) return Next::pause;
    prepared_ = true;
    if (!faults_.empty()) checked_ = true;  // known already: no file gives these tables
    return Next::pause;
  }
  if (!checked_) {
    if (check(work)) {
      checked_ = true;
      trial_.reset();
    }
    return Next::pause;
  }
  if (!printer_) printer_ = std::make_unique<ConfigPrinter>(live_, secrets_);
  if (lines_.empty() && (ended_ || !printer_->next(lines_))) {
    if (!std::exchange(ended_, true)) add_end();
    return walks_.step(work) ? Next::end : Next::pause;
  }
  const size_t end = lines_.find('\n');  // a section's title follows an empty line
  line = lines_.substr(0, end);
  lines_.erase(0, end + 1);
  return Next::line;
}

IniWriter::IniWriter(const Config& config, Secrets secrets) : work_(std::make_unique<Work>(config, secrets)) {}
IniWriter::~IniWriter() = default;
IniWriter::IniWriter(IniWriter&&) noexcept = default;
IniWriter::Next IniWriter::next(size_t work, std::string& line, const Director& director) {
  return work_->next(work, line, director);
}
const std::vector<std::string>& IniWriter::faults() const { return work_->faults_; }
bool IniWriter::has_hidden_secrets() const { return work_->hides_secret_; }

}  // namespace rawvs
