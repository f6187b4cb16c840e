// SPDX-License-Identifier: BSD-2-Clause
// ini_writer.cpp: writes the present tables as a configuration file. A virtual of the file keeps its name as long as
// one of its services exists, and with it what only the file has: its checks, its sorry server. Services made by
// rawvsadm get a name by their address. Groups are the file's.

#include "control/ini_writer.h"

#include <algorithm>
#include <map>
#include <set>

#include "config/config_rows.h"
#include "config/config_values.h"
#include "config/portions.h"
#include "core/service.h"
#include "core/sort.h"
#include "rawvs/settings.h"

namespace rawvs {
namespace {

bool same_service(const ServiceSpec& a, const ServiceSpec& b) {
  return a.scheduler == b.scheduler && a.flags == b.flags && a.persistence == b.persistence && a.netmask == b.netmask &&
         a.one_packet == b.one_packet;
}

bool same_server(const ServerSpec& a, const ServerSpec& b) {
  return a.at.addr == b.at.addr && a.method == b.method && a.weight == b.weight && a.upper == b.upper &&
         a.lower == b.lower && a.tunnel == b.tunnel && a.mac == b.mac;
}

// The servers of a virtual in the file, by endpoint.
class KnownServers {
 public:
  KnownServers(const VirtualConfig& v, Port own) : v_(v), own_(own) {}

  // The server at this endpoint. Look-ups in the file's order are found at once.
  const ServerConfig* find(Endpoint at) {
    if (next_ < v_.servers.size() && place(v_.servers[next_]) == at) return &v_.servers[next_++];
    if (sorted_.empty()) {
      for (const ServerConfig& server : v_.servers) sorted_.emplace_back(place(server), &server);
      sort_by<&Known::first>(sorted_);
    }
    const auto found = std::ranges::lower_bound(sorted_, at, {}, &Known::first);
    return found == sorted_.end() || found->first != at ? nullptr : found->second;
  }
  Endpoint place(const ServerSpec& server) const {
    return {server.at.addr, server.at.port.value != 0 ? server.at.port : own_};
  }

 private:
  using Known = std::pair<Endpoint, const ServerConfig*>;
  const VirtualConfig& v_;
  Port own_;
  size_t next_ = 0;
  std::vector<Known> sorted_;
};

std::string rule_name(const ServiceKey& key) {
  if (key.mark.value != 0) return "mark-" + std::to_string(key.mark.value);
  const uint16_t port = key.vip.port.value;
  return std::string(name(key.protocol)) + '-' + text(key.vip.addr) + '-' + (port == 0 ? "all" : std::to_string(port));
}

}  // namespace

class IniWriter::Work {
 public:
  Work(const Config& config, Secrets secrets);
  Next next(size_t work, std::string& line, const Director& director);

  std::vector<std::string> faults_;
  bool hides_secret() const {
    const auto has_password = [](const VrrpConfig& v) { return !v.spec.password.empty(); };
    return secrets_ == Secrets::hidden &&
           ((live_.sync && !live_.sync->key.empty()) || std::ranges::any_of(live_.vrrps, has_password));
  }

 private:
  struct Found {  // a service of the table
    WantedService service;
    std::vector<ServerSpec> taken_out{};  // servers that checks have taken out of the table
    bool written = false;
    std::vector<ServerSpec> all_servers() const;  // by address
  };

  bool replaced() const { return virtuals_ != config_.virtuals.data() || groups_ != config_.groups.data(); }
  void take_service(size_t slot);
  void write_virtual(size_t i);
  void write_as(const VirtualConfig& from, std::vector<PortMatch> ports, Mark mark, Found& found);
  void write_taken_out(const VirtualConfig& from, const ServiceKey& key, VirtualConfig& v);
  void write_group_of(const VirtualConfig& v, Mark mark);
  void write_new(Found& found);
  void write_vrrp(size_t i);
  std::string free_name(const std::string& wanted);
  void prepare();
  bool check(size_t work);

  const Config& config_;
  const Secrets secrets_;
  const Director* director_ = nullptr;
  const VirtualConfig* const virtuals_;  // as they were at the beginning
  const GroupConfig* const groups_;

  std::vector<Found> found_;
  std::map<ServiceKey, size_t> by_key_;
  std::vector<Mark> marks_;                          // of the file's virtuals
  std::vector<std::pair<size_t, Mark>> was_chosen_;  // virtuals of live_ with a chosen mark
  std::set<std::string, std::less<>> names_, group_names_;
  std::set<std::string> written_;  // names of virtuals of live_
  std::set<uint32_t> carried_;     // marks of groups
  std::set<Ip> file_vips_, vips_;
  Config live_;
  Portions walks_;
  bool prepared_ = false, checked_ = false;
  std::unique_ptr<ConfigPrinter> trial_;
  ConfigReader reader_{"(table)"};
  std::unique_ptr<ConfigPrinter> printer_;
  std::string lines_;
};

IniWriter::Work::Work(const Config& config, Secrets secrets)
    : config_(config), secrets_(secrets), virtuals_(config.virtuals.data()), groups_(config.groups.data()) {
  prepare();
}

void IniWriter::Work::prepare() {
  const auto choice = std::shared_ptr<MarkChoice>(new MarkChoice());
  const auto groups = [this] { return config_.groups.size(); };
  const auto virtuals = [this] { return config_.virtuals.size(); };
  walks_.each([this] { return director_->services().services().size(); }, [this](size_t slot) { take_service(slot); });
  walks_.each(groups, [this, choice](size_t i) {
    const GroupConfig& group = config_.groups[i];
    choice->group(group);
    live_.groups.push_back(group);
    group_names_.insert(group.name);
    carried_.insert(group.mark.value);
    for (const GroupConfig::Match& match : group.matches) file_vips_.insert(match.vip), vips_.insert(match.vip);
  });
  walks_.each(virtuals, [this, choice](size_t i) {
    choice->given(config_.virtuals[i]);
    names_.insert(config_.virtuals[i].name);
    if (config_.virtuals[i].address) file_vips_.insert(*config_.virtuals[i].address);
  });
  walks_.each(virtuals, [this, choice](size_t i) { marks_.push_back(choice->kept(config_.virtuals[i])); });
  walks_.each(virtuals, [this, choice](size_t i) { marks_[i] = choice->chosen(config_.virtuals[i], marks_[i]); });
  walks_.each(virtuals, [this](size_t i) { write_virtual(i); });
  walks_.each([this] { return found_.size(); }, [this](size_t i) { write_new(found_[i]); });
  // Chosen marks need not be written if reading the file chooses them again.
  const auto again = std::shared_ptr<MarkChoice>(new MarkChoice());
  const auto chosen = std::shared_ptr<std::vector<Mark>>(new std::vector<Mark>());
  const auto changed = std::shared_ptr<bool>(new bool(false));
  walks_.each([this] { return live_.groups.size(); }, [this, again](size_t i) { again->group(live_.groups[i]); });
  walks_.each([this] { return live_.virtuals.size(); }, [this, again](size_t i) { again->given(live_.virtuals[i]); });
  walks_.each(
      [this] { return live_.virtuals.size(); },
      [this, again, chosen](size_t i) { chosen->push_back(again->chosen(live_.virtuals[i], live_.virtuals[i].mark)); });
  walks_.each([this] { return was_chosen_.size(); },
              [this, chosen, changed](size_t i) {
                if ((*chosen)[was_chosen_[i].first] != was_chosen_[i].second) *changed = true;
              });
  walks_.each([this] { return was_chosen_.size(); },
              [this, changed](size_t i) {
                if (*changed) live_.virtuals[was_chosen_[i].first].mark = was_chosen_[i].second;
              });
  walks_.each([this] { return config_.checks.size(); },
              [this](size_t i) { live_.checks.push_back(config_.checks[i]); });
  walks_.each([this] { return config_.vrrps.size(); }, [this](size_t i) { write_vrrp(i); });
  walks_.once([this] {
    const auto copy = [this](auto... fields) { ((live_.*fields = config_.*fields), ...); };
    copy(&Config::interface, &Config::inside, &Config::control, &Config::control_group, &Config::guard, &Config::io,
         &Config::state, &Config::state_interval, &Config::ring_frames, &Config::sync);
    live_.settings = director_->settings();
  });
}

void IniWriter::Work::take_service(size_t slot) {
  const Services& services = director_->services();
  const Service& service = services.services()[slot];
  if (!service.used) return;
  by_key_.emplace(service.spec.key, found_.size());
  Found& found = found_.emplace_back();
  found.service.spec = service.spec;
  for (const ServerSlot server : service.servers) found.service.servers.push_back(services.server(server).wanted());
  std::ranges::reverse(found.service.servers);  // the table's order is newest first
  for (const ServerSlot server : service.taken_out) found.taken_out.push_back(services.server(server).wanted());
  walks_.spend(service.servers.size());
}

std::string IniWriter::Work::free_name(const std::string& wanted) {
  std::string name = wanted;
  for (int n = 2; !names_.insert(name).second; ++n) name = wanted + '-' + std::to_string(n);
  return name;
}

std::vector<ServerSpec> IniWriter::Work::Found::all_servers() const {
  std::vector<ServerSpec> all = service.servers;
  all.insert(all.end(), taken_out.begin(), taken_out.end());
  sort_by<&ServerSpec::at>(all);
  return all;
}

// Writes the services of the file's virtual: one, or one for each protocol.
void IniWriter::Work::write_virtual(size_t i) {
  const VirtualConfig& v = config_.virtuals[i];
  const Mark mark = marks_[i];
  std::vector<std::pair<Found*, std::vector<PortMatch>>> parts;
  size_t wanted = 0;
  const auto look = [&](const ServiceKey& key, std::vector<PortMatch> ports) {
    ++wanted;
    const auto there = by_key_.find(key);
    if (there != by_key_.end()) parts.emplace_back(&found_[there->second], std::move(ports));
  };
  if (mark.value != 0) {
    look({.vip = {}, .mark = mark}, v.ports);
  } else {
    for (const PortMatch& match : v.ports) {
      look({match.protocol, {*v.address, Port(match.ports[0].first)}, Mark()}, {match});
    }
  }
  if (parts.empty()) {
    if (mark.value != 0 && v.address) write_group_of(v, mark);
    return;
  }
  const WantedService& first = parts[0].first->service;
  const std::vector<ServerSpec> servers = parts[0].first->all_servers();
  const bool alike = std::ranges::all_of(parts, [&](const auto& part) {
    const WantedService& other = part.first->service;
    return same_service(first.spec, other.spec) &&
           std::ranges::equal(servers, part.first->all_servers(), [](const ServerSpec& a, const ServerSpec& b) {
             return same_server(a, b) && a.at == b.at;
           });
  });
  if (alike && parts.size() == wanted) {
    for (auto& [found, ports] : parts) found->written = true;
    write_as(v, v.ports, mark, *parts[0].first);
    return;
  }
  // rawvsadm has changed one of them: each becomes a virtual.
  for (auto& [found, ports] : parts) {
    found->written = true;
    write_as(v, ports, mark, *found);
    if (found != parts[0].first) live_.virtuals.back().name = free_name(rule_name(found->service.spec.key));
  }
  const auto tracks = [&](const VrrpConfig& vrrp) {
    return std::ranges::find(vrrp.spec.tracks, v.name, &VrrpTrack::name) != vrrp.spec.tracks.end();
  };
  const auto tracker = std::ranges::find_if(config_.vrrps, tracks);
  if (tracker == config_.vrrps.end()) return;
  faults_.push_back("[vrrp " + tracker->name + "] tracks [virtual " + v.name +
                    "], and rawvsadm has made its services different: one name cannot stand for both");
}

// What rawvsadm can change is the table's; everything else is the file's.
void IniWriter::Work::write_as(const VirtualConfig& from, std::vector<PortMatch> ports, Mark mark, Found& found) {
  const ServiceSpec& spec = found.service.spec;
  const Port own = spec.key.vip.port;
  VirtualConfig& v = live_.virtuals.emplace_back();
  v.name = from.name;
  written_.insert(from.name);
  v.address = from.address;
  v.ports = std::move(ports);
  v.mark = from.mark;
  v.scheduler = spec.scheduler;
  v.flags = {spec.flags != 0 ? std::optional(spec.scheduler) : std::nullopt, spec.flags};
  v.persistence = spec.persistence;
  v.netmask = spec.netmask;
  v.one_packet = spec.one_packet;
  v.check = from.check;
  v.health = from.health;
  v.sorry = from.sorry;
  if (from.address) vips_.insert(*from.address);
  if (mark.value != 0 && from.mark.value == 0) was_chosen_.emplace_back(live_.virtuals.size() - 1, mark);
  KnownServers known(from, own);
  // The virtual's own port is written if the file has it.
  const auto add = [&](const ServerSpec& server, const ServerConfig* file, const std::string& check) {
    ServerConfig& one = v.servers.emplace_back(ServerConfig{server, check});
    if (one.at.port == own) one.at.port = file ? file->at.port : Port();
  };
  for (const ServerSpec& server : found.service.servers) {
    const ServerConfig* const file = known.find(server.at);
    // The sorry server is in the table, too. The file decides which servers are checked.
    if (!file && from.sorry && known.place(*from.sorry) == server.at) continue;
    add(server, file, file ? file->check : from.check.empty() ? "" : "none");
  }
  if (!found.taken_out.empty()) write_taken_out(from, spec.key, v);
}

// Servers that checks have taken out keep their place in the file.
void IniWriter::Work::write_taken_out(const VirtualConfig& from, const ServiceKey& key, VirtualConfig& v) {
  std::vector<ServerConfig> servers;
  KnownServers live(v, key.vip.port);
  std::set<Endpoint> placed;
  for (const ServerConfig& server : from.servers) {
    const Endpoint at = live.place(server);
    const Server* const known = director_->services().known(key, at);
    const bool out = known && known->taken_out;
    const ServerConfig* const in = out ? nullptr : live.find(at);
    if (!out && !in) continue;
    placed.insert(at);
    servers.push_back(in ? *in : ServerConfig{known->wanted(), server.check});
    if (out && servers.back().at.port == key.vip.port) servers.back().at.port = server.at.port;
  }
  for (const ServerConfig& server : v.servers) {
    if (placed.insert(live.place(server)).second) servers.push_back(server);
  }
  v.servers = std::move(servers);
}

// Writes the group of a removed service: its packets still carry the mark, and no other service gets them.
void IniWriter::Work::write_group_of(const VirtualConfig& v, Mark mark) {
  GroupConfig& group = live_.groups.emplace_back();
  group.name = v.name;
  for (int n = 2; !group_names_.insert(group.name).second; ++n) {
    group.name = "mark-" + std::to_string(mark.value) + (n == 2 ? "" : '-' + std::to_string(n));
  }
  group.mark = mark;
  for (const PortMatch& match : v.ports) group.matches.push_back({*v.address, match, {Ip(), 0}});
  vips_.insert(*v.address);
}

// Writes a service that the file does not have.
void IniWriter::Work::write_new(Found& found) {
  if (found.written) return;
  const ServiceKey& key = found.service.spec.key;
  VirtualConfig from;
  from.name = free_name(rule_name(key));
  from.mark = key.mark;
  std::vector<PortMatch> ports;
  if (key.mark.value == 0) {
    const uint16_t port = key.vip.port.value;
    from.address = key.vip.addr;
    ports = {{key.protocol, {port == 0 ? kEveryPort : PortRange{port, port}}}};
  } else if (!carried_.contains(key.mark.value)) {
    faults_.push_back("mark " + std::to_string(key.mark.value) +
                      ": no group says which packets carry it, and a file cannot have a service of a mark without one");
    return;
  }
  write_as(from, std::move(ports), Mark(), found);
}

// An instance without addresses has the file's VIPs: if these have changed, they are written out.
void IniWriter::Work::write_vrrp(size_t i) {
  VrrpConfig& v = live_.vrrps.emplace_back(config_.vrrps[i]);
  for (const VrrpTrack& track : v.spec.tracks) {
    if (written_.contains(track.name)) continue;
    faults_.push_back("[vrrp " + v.name + "] tracks [virtual " + track.name + "], whose service was removed");
  }
  if (v.spec.addresses.empty() && vips_ != file_vips_) v.spec.addresses.assign(file_vips_.begin(), file_vips_.end());
}

// Reads the text as a file. True: the result is known.
bool IniWriter::Work::check(size_t work) {
  if (!trial_) trial_ = std::make_unique<ConfigPrinter>(live_);
  for (const size_t until = reader_.worked() + work; reader_.worked() < until;) {
    std::string line;
    if (reader_.wants_text()) trial_->next(line) ? reader_.feed(line) : reader_.end();
    if (!reader_.step(until - reader_.worked())) continue;
    for (const std::string& fault : reader_.findings().faults) faults_.push_back(fault);
    return true;
  }
  return false;
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
      reader_ = ConfigReader("");
    }
    return Next::pause;
  }
  if (!printer_) printer_ = std::make_unique<ConfigPrinter>(live_, secrets_);
  if (lines_.empty() && !printer_->next(lines_)) return Next::end;
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
bool IniWriter::has_hidden_secrets() const { return work_->hides_secret(); }

}  // namespace rawvs
