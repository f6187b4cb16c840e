// SPDX-License-Identifier: BSD-2-Clause
// explain.cpp: follows a packet's path and describes each step.
#include "director/explain.h"

#include "core/called.h"
#include "core/scheduler.h"
#include "core/track.h"
#include "director/flows.h"
#include "director/handshakes.h"
#include "director/surroundings.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

constexpr size_t kServersNamed = 32;  // of a service, in the step about its scheduler

const char* packet_word(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp: return "TCP segment with SYN";
    case Protocol::sctp: return "SCTP packet with INIT";
    default: return "UDP datagram";
  }
}

// How a MAC address is asked for.
const char* discovery(Ip address) { return address.is_v4() ? "ARP" : "ND"; }

std::string why_not(const Server& s) {
  if (!s.reachable) return "cannot be reached by forwarding: see its route";
  if (s.order.out()) return formatted("{} by an operator: no new connections", name(s.order.what));
  if (s.spec.weight == 0 && s.most_weight == 0 && s.wanted_weight != 0)
    return "out: its check failed, or has not ended yet";
  if (s.spec.weight == 0) return "weight 0: no new connections";
  if (s.overloaded) {
    return formatted("full: {} connections, upper={}", uint64_t{s.active} + s.inactive, s.spec.upper);
  }
  return "";
}

// One explanation: the steps of Director::Path::vip_packet (director.cpp).
class Explainer {
 public:
  Explainer(const Explained& of, const FlowKey& flow, Instant now) : d_(of), flow_(flow), now_(now) {}

  Explanation run() {
    const Endpoint client{flow_.client, flow_.cport}, vip{flow_.vip, flow_.vport};
    step(formatted("A {} from {} to {}.", packet_word(flow_.protocol), text(client), text(vip)));
    if (!d_.surroundings.claims().takes(flow_.vip)) {
      step(text(flow_.vip) + " is no VIP: no virtual service has this address.");
      return end(Exit::not_vip, "It is left to this host's kernel.");
    }
    const Claims::Claim& claim = *d_.surroundings.claims().find(flow_.vip);
    if (claim.as.standby) {
      step(formatted("{} is a VIP whose master is another director (VRRP): {} for it is not answered here.",
                     text(flow_.vip), discovery(flow_.vip)));
      return end(Exit::standby, "It is dropped: the master sends it on.");
    }
    if (claim.as.own) {
      const bool taken = d_.surroundings.takes(*d_.surroundings.claimed(flow_.vip), flow_.protocol, flow_.vport);
      step(formatted("{} is a VIP and this host's own address: the ports of its services alone are the director's.",
                     text(flow_.vip)));
      if (!taken) {
        step("No virtual service takes this protocol and port.");
        return end(Exit::not_vip, "It is left to this host's kernel.");
      }
    } else if (claim.answered()) {
      std::string how;
      for (LinkSet links = claim.as.links; !links.empty();) {
        const Link link = links.take();
        how += formatted("{}{} on {}", how.empty() ? "" : ", ", text(d_.surroundings.mac_of(claim, link)),
                         d_.surroundings.link(link).name);
      }
      step(how.empty()
               ? text(flow_.vip) + " is a VIP."
               : formatted("{} is a VIP: {} for it is answered with {}.", text(flow_.vip), discovery(flow_.vip), how));
    } else {
      step(text(flow_.vip) + " is a VIP, retired: its last service went a short while ago.");
    }
    for (LinkSet links = claim.as.links; !claim.as.own && !links.empty();) {
      const LinkFacts& place = d_.surroundings.link(links.take());
      if (!place.usable()) step(formatted("But {} is down: nothing can arrive there now.", place.name));
    }
    if (d_.services.empty(flow_.vip.family())) {
      step("There is no virtual service of this family: rawvsd stands aside.");
      return answered_as_host();
    }
    return known() ? std::move(e_) : unknown();
  }

 private:
  void step(std::string text) { e_.steps.push_back(std::move(text)); }
  Explanation end(Exit exit, std::string text) {
    e_.exit = exit;
    e_.text = std::move(text);
    return std::move(e_);
  }
  void settle(Exit exit, std::string text) { e_.exit = exit, e_.text = std::move(text); }

  const Connection* find(const FlowKey& key) const {
    const Connection* const c = d_.flows.find(key);
    return c && !d_.flows.connections().expired(*c, now_) ? c : nullptr;
  }

  // True: a connection of the table decides; the verdict is set.
  bool known() {
    FlowKey any_port = flow_;
    any_port.cport = Port(0);
    const Connection* c = find(flow_);
    if (!c && d_.flows.has_unknown_ports()) c = find(any_port);
    if (!c) return step("No connection with these addresses and ports is known."), false;
    const Server& server = d_.services.server(c->server);
    step(formatted("A connection is known: {}, to real server {} by {}, expires in {} s.", state_name(*c),
                   called(server.spec.name, text(c->real_server())), name(c->method()),
                   d_.flows.connections().left(*c, now_) / 1s));
    if (c->is_fast()) step("The fast path has it: the kernel's program forwards packets that it understands.");
    if (d_.settings.expire_nodest_conn && (!server.in_table() || server.spec.weight == 0)) {
      return step("expire_nodest_conn is on, and its server is out: this packet ends it."), false;
    }
    if (d_.services.standing(server) == Standing::resets) {
      const char* const why = server.standing == Standing::resets ? "down" : "disabled";
      return step(formatted("Its server is {} and on_down is reset: this packet ends it.", why)), false;
    }
    if (flow_.protocol != Protocol::udp && reusable(*c, d_.settings.conn_reuse_mode)) {
      return step("It is over, so this packet may begin another one (conn_reuse_mode)."), false;
    }
    if (!server.in_service()) {
      return settle(Exit::server_gone, "It is dropped until its server returns or the connection expires."), true;
    }
    to_server(c->server, c->method(), c->real_server());
    return true;
  }

  Explanation unknown() {
    const Service* const service = flow_.cport == kFtpData ? nullptr : d_.services.classify(flow_);
    if (flow_.cport == kFtpData) step("Nothing is ever scheduled from port 20, FTP's data port, as in IPVS.");
    if (!service) {
      if (flow_.cport != kFtpData) step("No virtual service takes this protocol and port.");
      return answered_as_host();
    }
    const ServiceSpec& s = service->spec;
    step(formatted("It is for the virtual service {}: scheduler {}{}{}, {} real servers.",
                   called(service->name, text(s.key)), name(s.scheduler),
                   s.persistence > Duration::zero() ? formatted(", persistence {} s", s.persistence / 1s) : "",
                   s.one_packet ? ", one-packet scheduling" : "", service->servers.size()));
    if (service->limits && decides(s, flow_)) {
      const Access client = access_of(service->limits->access, flow_.client);
      if (!service->limits->access.empty()) step(formatted("Its lists: {}.", text(client)));
      const auto refused = d_.flows.over_limit(flow_, *service, now_);
      if (refused) return end(*refused, formatted("It is dropped: {}.", limit_words(*refused, *service)));
      if (const std::string limits = within(*service); !limits.empty())
        step(formatted("Its limits are kept: {}.", limits));
    }
    if (d_.handshakes.in_force(*service, flow_))
      step("SYN cookies: the director answers the SYN; what follows happens when the client has come back.");
    if (s.persistence > Duration::zero()) {
      const FlowKey key = template_key(flow_, service->spec);
      const Connection* const client_template = find(key);
      const std::string who = text(key.client) + (s.netmask == Netmask{} ? "" : " and its network");
      if (client_template && d_.flows.keeps(*client_template)) {
        step(formatted(
            "Persistence: {} stays with {} for another {} s or more.", who,
            called(d_.services.server(client_template->server).spec.name, text(client_template->real_server().addr)),
            d_.flows.connections().left(*client_template, now_) / 1s));
        chosen(client_template->server, *service);
        return std::move(e_);
      }
      step("Persistence: " + who + (client_template ? " had a server that is out now." : " has no server yet."));
    }
    return schedule(*service);
  }

  std::string limit_words(Exit exit, const Service& service) const {
    const ServiceLimits& most = *service.limits;
    const std::string network = text(client_network(flow_.client));
    switch (exit) {
      case Exit::service_full:
        return formatted("the service has {} connections, max_connections={}", service.use.connections,
                         most.max_connections);
      case Exit::service_rate:
        return formatted("the service began max_rate={} connections in the last second", most.max_rate);
      case Exit::client_full:
        return formatted("{} has {} connections, client_connections={}", network,
                         d_.flows.connections_of(flow_.client, service), most.client_connections);
      case Exit::client_rate:
        return formatted("{} began client_rate={} connections in the last second", network, most.client_rate);
      default: return "its client is denied";
    }
  }

  // How much of its limits is in use.
  std::string within(const Service& service) const {
    const ServiceLimits& most = *service.limits;
    std::string all;
    const auto add = [&](const char* key, uint64_t limit, const std::string& used) {
      if (limit != 0) all += formatted("{}{}={}{}", all.empty() ? "" : ", ", key, limit, used);
    };
    const auto of = [](uint32_t n) { return formatted(" ({} now)", n); };
    add("max_connections", most.max_connections, of(service.use.connections));
    add("max_rate", most.max_rate, "");
    add("client_connections", most.client_connections, of(d_.flows.connections_of(flow_.client, service)));
    add("client_rate", most.client_rate, "");
    return all;
  }

  Explanation schedule(const Service& service) {
    Service copy = service;
    const auto index = d_.flows.schedule(flow_, copy, now_);
    std::string servers;
    for (size_t i = 0; i < std::min(service.servers.size(), kServersNamed); ++i) {
      const Server& s = d_.services.server(service.servers[i]);
      const std::string not_now = why_not(s);
      servers += formatted("{}{} weight {}", i == 0 ? "" : "; ", called(s.spec.name, text(s.spec.at)), s.spec.weight);
      if (s.share != kFullShare) servers += formatted(" (slow start of {})", s.full_weight());
      servers += formatted(", {} active, {} inactive", s.active, s.inactive);
      if (!not_now.empty()) servers += formatted(" ({})", not_now);
    }
    if (service.servers.size() > kServersNamed) servers += "; and more";
    if (!servers.empty()) step(formatted("The servers: {}.", servers));
    if (!index) {
      step("The scheduler finds none that may have it.");
      return end(Exit::no_server, "ICMP port unreachable is sent to the client.");
    }
    const ServerSpec& server = d_.services.server(service.servers[*index]).spec;
    step(formatted("The scheduler {} takes {}.", name(service.spec.scheduler), called(server.name, text(server.at))));
    const bool wide = needs_wide(flow_, server.at.addr, server.method);
    if (!service.spec.one_packet && !d_.flows.connections().has_room(wide)) {
      if (d_.flows.has_room(wide)) {
        step("The connection table is full: the oldest unproven connection gives way (drop_entry).");
      } else if (d_.flows.can_do_without(service, service.servers[*index])) {
        step("The connection table is full: it is forwarded without an entry.");
      } else {
        return end(Exit::table_full, "It is dropped: the connection table is full (max_connections).");
      }
    }
    chosen(service.servers[*index], service);
    return std::move(e_);
  }

  void chosen(ServerSlot slot, const Service& service) {
    const ServerSpec& spec = d_.services.server(slot).spec;
    const bool own =
        spec.at.port.value != 0 && (service.spec.key.mark.value != 0 || service.spec.key.vip.port == flow_.vport);
    to_server(slot, spec.method, {spec.at.addr, own ? spec.at.port : flow_.vport});
  }

  void to_server(ServerSlot slot, Method method, Endpoint at) {
    const Server& server = d_.services.server(slot);
    e_.server = at;
    e_.method = method;
    if (method == Method::fullnat) {
      step(formatted("The server will see {} as the client.", local_words(server)));
    }
    if (method == Method::masq && flow_.client == at.addr) {
      return settle(Exit::hairpin, "It is dropped: a NAT server cannot be its own client.");
    }
    if (server.local) return to_itself(method, at);
    Hop hop;
    if (const auto nowhere = d_.surroundings.hop_to(server, hop, now_)) {
      return settle(*nowhere, formatted("It is dropped: {}.", words(*nowhere).meaning));
    }
    const Neighbors::Neighbor& next = d_.surroundings.neighbors().at(hop.neighbor);
    step(formatted("Its next hop is {} on {}, MTU {}, {}.", text(next.addr), d_.surroundings.link(hop.link).name,
                   hop.mtu, hop.knows_mac ? "MAC address " + text(hop.mac) : "whose MAC address is asked for"));
    if (!hop.knows_mac && next.state == Neighbors::State::silent) {
      return settle(Exit::server_silent,
                    formatted("It is dropped: the server does not answer {}.", discovery(next.addr)));
    }
    if (method == Method::masq && same_network(flow_.client, at.addr)) {
      step(formatted(
          "But {} is in the network of {}, which answers it directly: not from the VIP, so the client discards "
          "that. forward=fullnat serves such clients.",
          text(flow_.client), text(at.addr)));
    }
    settle(hop.knows_mac ? Exit::forwarded : Exit::held,
           formatted("It is {} to real server {} by {}.", hop.knows_mac ? "sent on" : held(next.addr), text(at),
                     name(method)));
  }

  // Both are in one subnet of this host's.
  bool same_network(Ip client, Ip server) const {
    for (const Link link : first_links(d_.surroundings.links())) {
      for (const LinkAddress& own : d_.surroundings.link(link).addresses) {
        if (own.network().holds(client) && own.network().holds(server)) return true;
      }
    }
    return false;
  }

  void to_itself(Method method, Endpoint at) {
    e_.method = Method::local;
    step(formatted("{} is an address of this host: the server is the host itself (Local).", text(at.addr)));
    const bool translated = translates(method) && at != Endpoint{flow_.vip, flow_.vport};
    if (!translated && d_.surroundings.claims().on_host(flow_.vip)) {
      return settle(Exit::delivered, "It is given to this host's kernel, as it came.");
    }
    settle(Exit::no_local,
           translated ? "It is dropped: the host's answers do not pass the director, so NAT cannot translate them."
                      : formatted("It is dropped: {} is no address of this host; put it on lo.", text(flow_.vip)));
  }

  // The addresses and ports from which a full NAT server sees its clients.
  std::string local_words(const Server& server) const {
    std::string addresses;
    for (const Ip a : d_.settings.local_addresses) {
      if (a.family() == server.spec.at.addr.family()) addresses += (addresses.empty() ? "" : " or ") + text(a);
    }
    if (addresses.empty()) addresses = text(server.source);
    return formatted("{}, a port of {}-{},", addresses, d_.settings.local_ports.first, d_.settings.local_ports.last);
  }
  static std::string held(Ip next) {
    return formatted("held until the server answers {}, and then sent on", discovery(next));
  }

  Explanation answered_as_host() {
    if (d_.settings.reply_rate == 0) return end(Exit::replies_off, "It is not answered: reply_rate is 0.");
    if (flow_.protocol == Protocol::tcp) return end(Exit::reset_sent, "The VIP answers with RST.");
    if (flow_.protocol == Protocol::udp)
      return end(Exit::port_unreachable, "The VIP answers with ICMP port unreachable.");
    return end(Exit::protocol_unreachable, "The VIP answers with ICMP protocol unreachable.");
  }

  const Explained& d_;
  const FlowKey flow_;
  const Instant now_;
  Explanation e_;
};

}  // namespace

Explanation explain(const Explained& of, const FlowKey& flow, Instant now) { return Explainer(of, flow, now).run(); }

}  // namespace rawvs
