// SPDX-License-Identifier: BSD-2-Clause
// director.h: the packet's whole path, and where services, connections and ARP meet.
// The door is a handful of calls: frames arrived; a link changed; an operator wants something; time passed; when do you
// need me next. The daemon, rawvs-replay, the tests and the fuzzers drive this same door, so what is tested is what
// runs. What should happen comes back in the Outbox: frames to transmit, lines for the log. clear() it between calls.
#pragma once

#include <array>
#include <map>
#include <span>

#include "core/connection.h"
#include "core/ftp.h"
#include "core/link.h"
#include "core/outbox.h"
#include "core/reassembly.h"
#include "core/route.h"
#include "core/state.h"
#include "core/sync.h"
#include "core/tcp_state.h"
#include "core/turn.h"
#include "director/limit.h"
#include "director/observer.h"
#include "rawvs/settings.h"
#include "side/claim.h"
#include "side/neighbor.h"
#include "side/watch.h"
#include "wire/compose.h"

namespace rawvs {

struct Explanation {               // what would become of a packet, and why
  std::vector<std::string> steps;  // sentences, in the order in which things are looked at
  Exit exit = Exit::forwarded;
  std::optional<Endpoint> server;  // whom it would go to
  Method method = Method::route;   // and how
  std::string text;                // the verdict, a sentence
};

class Director {
 public:
  static constexpr size_t kBatch = 64;     // frames per call of frames_arrived()
  static constexpr size_t kObservers = 4;  // at a time
  static constexpr size_t kLargestAnswer = kEthernetSize + 65535;

  // secret: random; keys the connection table's hash. two_links: there is an inside interface.
  Director(const Settings& settings, HashKey secret, bool two_links, Instant now);

  // What happened. REQUIRES: frames.size() <= kBatch, out is empty. Frames are rewritten in place and lent to out.
  void frames_arrived(std::span<Frame> frames, Turn turn);
  // A packet of a check that asks a VIP on this very server (via = vip): it goes the way that clients' packets take,
  // but belongs to no connection, and no service counts it. REQUIRES: out is empty. The frame is lent to it, as above.
  Exit check_arrived(Frame& frame, const ServiceKey& service, Endpoint server, Turn turn);
  void link_changed(Link link, const LinkFacts& facts, Turn turn);
  void time_passed(Turn turn);
  // Exactly these addresses, sorted, several directors share (VRRP); and every VIP that is not among them, now or
  // later, is as `others` says (whose address means nothing), unless it is the host's own; none: it is this director's
  // alone. Those whose master is another are not answered for, packets to them are dropped. The host's own that are no
  // VIPs are left to the host.
  void share(std::vector<Shared> shared, const std::optional<Shared>& others, Turn turn);
  void announce(Ip vip, Turn turn);  // once more: another may have been believed meanwhile
  void announce_others(Turn turn);   // the same of all VIPs that `others` is about
  // The way to a server's address is known now, or is another.
  void route_found(const Route& route, Turn turn);
  // Addresses of servers whose ways nobody has told of yet, at most so many: each is given once, and guessed until
  // then.
  std::vector<Ip> take_unknown_ways(size_t most);
  std::optional<Ip> next_server_address(std::optional<Ip> after) const;  // of all, in order
  // False: the guard cannot tell flows apart and keeps all of the NAT servers' packets from the host's kernel.
  void guard_knows_flows(Link link, bool knows) { guard_knows_flows_[index(link)] = knows; }
  // True: nothing is announced, and nobody asked, until the outside is ready for answers. What is due then is due
  // still.
  void hold_speech(bool hold) { speech_held_ = hold; }
  void link_counted(Link link, const LinkCounters& counters) { counters_[index(link)] = counters; }  // for listings
  Instant next_deadline() const;

  // What an operator wants. Nothing changes when a Refusal comes back.
  std::optional<Refusal> add(const ServiceSpec& spec, Turn turn);
  // A service that is made in several steps gets no new connections before it is opened.
  void set_open(const ServiceKey& key, bool open) { services_.set_open(key, open); }
  std::optional<Refusal> edit(const ServiceSpec& spec, Turn turn);
  std::optional<Refusal> remove(const ServiceKey& key, Turn turn);
  std::optional<Refusal> add_server(const ServiceKey& key, const ServerSpec& spec, Turn turn);
  std::optional<Refusal> edit_server(const ServiceKey& key, const ServerSpec& spec, Turn turn);
  std::optional<Refusal> remove_server(const ServiceKey& key, Endpoint server, Turn turn);
  // What health checks want of a server: see Services.
  std::optional<Refusal> set_standing(const ServiceKey& key, Endpoint server, Standing standing, int32_t most_weight,
                                      uint8_t share = kFullShare, int32_t least_weight = 0) {
    return services_.set_standing(key, server, standing, most_weight, share, least_weight);
  }
  std::optional<Refusal> take_out(const ServiceKey& key, Endpoint server);
  std::optional<Refusal> put_back(const ServiceKey& key, Endpoint server) { return services_.put_back(key, server); }
  std::optional<Refusal> zero(const ServiceKey& key) { return services_.zero(key); }
  // In portions: some services from the slot `at` on, which moves on. True: these were the last ones.
  bool zero_some(size_t& at);
  bool clear_some(size_t& at, Turn turn);
  void zero_all();
  void clear(Turn turn);
  void set_groups(std::vector<GroupMatch> groups, Turn turn);
  void set_timeouts(const Timeouts& timeouts) { settings_.timeouts = timeouts; }
  // The max_ ones stay as they were at the start.
  void set_settings(const Settings& settings, Instant now);
  // From the next packet on, as long as the observer lives. False: there are enough of them.
  bool observe(const std::shared_ptr<Observer>& observer);

  // State that survives a restart (state.h): what it is written of, and taken back into. When StateReader has read all:
  // state_restored().
  StateTables state_tables() { return {services_, connections_, ftp_, unknown_ports_, &settings_.timeouts}; }
  void state_restored(Turn turn);

  // Connections that other directors know of (sync.h). What packets do to ours the sender is told; null: nobody is.
  void tell(SyncSender* sender) { told_ = sender; }
  SyncView sync_view() { return {connections_, services_, &ftp_, settings_.timeouts}; }
  bool adopt(const Adoption& heard, Turn turn);  // false: there is no room for it

  // What there is to see. Before rates are read: estimate(), so that they are today's.
  void estimate(Instant now);
  Explanation explain(const FlowKey& flow, Instant now) const;  // a packet that would begin a connection
  enum class Reach : uint8_t { ready, asking, silent, no_route, link_down, own_address, other_interface };
  Reach reach(const Server& server) const;  // can packets be sent to it?
  const Watch& watch() const { return watch_; }
  uint32_t watch_version() const { return watch_version_; }  // another number whenever watch() is another
  // What operators have changed since the last call, and servers that can or cannot be reached now; some of it is named
  // twice.
  struct Touched {
    ServiceKey service{};
    std::optional<Endpoint> server{};  // none: the service itself, or one of its servers that was removed
    friend bool operator==(const Touched&, const Touched&) = default;
  };
  bool touched() const { return !touched_.empty(); }
  std::vector<Touched> take_touched() { return std::exchange(touched_, {}); }
  // Servers looked at by all changes so far: what they cost, whatever the clock says.
  uint64_t looked_at() const { return services_.looked_at() + placed_; }
  const Settings& settings() const { return settings_; }
  const Services& services() const { return services_; }
  ConnectionTable& connections() { return connections_; }
  const ConnectionTable& connections() const { return connections_; }
  const Neighbors& neighbors() const { return neighbors_; }
  const Claims& claims() const { return claims_; }
  Mac mac_of(const Claims::Claim& claim) const;  // what ARP says of it
  const Reassembly& reassembly() const { return reassembly_; }
  const ExitCounters& exits() const { return exits_; }
  const LinkFacts& link(Link link) const { return links_[index(link)]; }
  const LinkCounters& counters(Link link) const { return counters_[index(link)]; }

 private:
  enum class Role : uint8_t {
    other,         // none of the following
    request,       // TCP, UDP or SCTP to a VIP
    reply,         // the same, from where a NAT server may be, to anywhere else
    client_error,  // ICMP error to a VIP, about what a server sent past or through us to its client
    server_error,  // ICMP error to anywhere else, about what we may have sent on to a NAT server
  };
  struct Arrival {  // one frame of a batch on its way
    Frame* frame = nullptr;
    Ethernet ethernet{};
    Packet packet{};
    std::optional<Exit> exit{};  // known after parsing already
    Role role = Role::other;
    FlowKey key{};  // of any role but other, and its hash
    uint64_t hash = 0;
    Quote quote{};                     // of an ICMP error
    std::span<const uint16_t> cuts{};  // of a datagram put together from fragments: where they began (split.h)
    Side side() const { return role == Role::reply || role == Role::server_error ? Side::server : Side::client; }
  };
  struct Hop {  // where a frame goes next
    Link link = Link::outside;
    Mac mac{};
    uint16_t neighbor = kNoNeighbor;  // whose MAC address it is; none: a client's, which is known
    uint32_t mtu = 0;                 // bytes of an IP packet
    bool knows_mac = false;
  };
  struct Choice {  // what a new connection gets
    ServerSlot server = kNoServer;
    Port port{};                   // the server's
    Connection* parent = nullptr;  // its template
  };

  void parse(Arrival& a);
  void classify(Arrival& a);
  Exit decide(Arrival& a, Turn turn);
  Exit decide_observed(Arrival& a, Turn turn);
  void describe(const Arrival& a, Sight& sight);
  bool from_broadcast(const Arrival& a) const;
  Exit arp_arrived(const Arrival& a, Turn turn);
  Exit ip_arrived(Arrival& a, Turn turn);
  Exit vip_packet(Arrival& a, Turn turn);
  Exit passing_packet(Arrival& a, Turn turn);
  Exit fragment_arrived(Arrival& a, Turn turn);
  bool from_nat_server(Ip addr) const;
  bool kept_from_kernel(const Arrival& a);
  Exit give_back(const Arrival& a, Outbox& out);

  // Connections: director_track.cpp.
  Connection* track(const Arrival& a, Turn turn);
  Connection* track_reply(const Arrival& a, Turn turn);
  bool over(const Arrival& a, const Connection& c) const;
  Service* schedulable(const Arrival& a);
  Exit open(Arrival& a, Service& service, Turn turn);
  Exit open_once(Arrival& a, const Choice& choice, Service& service, Turn turn);
  std::optional<size_t> schedule(const FlowKey& flow, Service& service, Instant now) const;
  std::optional<Choice> choose_server(const FlowKey& flow, Service& service, Turn turn, Exit& why);
  std::optional<Choice> stay(const FlowKey& flow, Service& service, Turn turn, Exit& why);
  bool keeps(const Connection& ticket) const;
  void retire(Connection& ticket);
  class Explainer;
  bool place(Connection& c, const Choice& choice, Duration timeout, Turn turn);
  bool know_client_port(Connection& c, Port port, Outbox& out);
  bool follow_ftp(const Packet& packet, Connection& c, Direction direction);
  bool arrange(Connection& control, const FtpSession& before, const FtpFound& found, Turn turn);
  bool expect_data(Connection& control, const FtpFound& found, Turn turn);
  void release_ftp(Connection& control);
  void take_over_ftp(Connection& control, const SyncShifts& shifts);
  bool expect_replies(Connection& c, Outbox& out);
  uint32_t* children(Connection& c);
  void expire(Connection& c, Turn turn);
  void end(Connection& c, Outbox& out);
  void end_orphans(Outbox& out);

  // Forwarding: director_forward.cpp.
  Exit carry(Arrival& a, Connection& c, Server& server, Turn turn);
  Exit carry_reply(Arrival& a, Connection& c, Server& server, Turn turn);
  std::optional<Exit> read_ftp_reply(Arrival& a, Connection& c, uint32_t mtu, FtpFound& found, Turn turn);
  Exit carry_client_error(Arrival& a, Connection& c, Server& server, Turn turn);
  Exit carry_server_error(Arrival& a, Connection& c, Server& server, Turn turn);
  Exit carry_tunnel_error(const Arrival& a, Turn turn);
  void learn_path_mtu(Ip server, uint16_t mtu, Instant now);
  Exit tell_client(const Arrival& a, const Connection& c, const Quote& inner, uint16_t mtu, Turn turn);
  void age(const Arrival& a, Connection& c, Server& server, Direction direction, Instant now);
  void count_in(const Arrival& a, Server& server);
  void count_out(const Arrival& a, Server& server);
  Exit forward(Arrival& a, Connection& c, Server& server, Turn turn);
  Exit forward_tunnelled(Arrival& a, const Server& server, const Hop& hop, Turn turn);
  Exit to_client(Arrival& a, const Connection& c, Turn turn);
  std::optional<Exit> hop_to(const Server& server, Hop& hop, Instant now) const;
  std::optional<Exit> too_long(const Arrival& a, uint32_t mtu, bool df_counts, Turn turn);
  Exit wrap_and_depart(Frame frame, Packet packet, const Server& server, const Hop& hop, Turn turn);
  Exit depart(Frame frame, const Packet& packet, std::span<const uint16_t> cuts, const Hop& hop, Turn turn);
  Exit depart_segmented(const Frame& frame, const Packet& packet, const Hop& hop, Turn turn);
  Exit depart_cut(const Frame& frame, uint32_t mtu, std::span<const uint16_t> cuts, const Hop& hop, Turn turn);
  Exit depart_whole(const Frame& frame, const Hop& hop, Turn turn);

  // Checks: director_check.cpp.
  Exit send_check(Arrival& a, const Server* server, Turn turn);

  // What a VIP says itself: director_answer.cpp.
  Exit answer_as_host(const Arrival& a, Turn turn);
  Exit echo(const Arrival& a, Turn turn);
  Exit reset(const Arrival& a, Turn turn);
  Exit error(const Arrival& a, Exit exit, Turn turn, uint16_t mtu = 0);
  template <class Build>
  Exit answer(const Arrival& a, Exit exit, Limit& limit, Turn turn, Build&& build);
  void send_arp(Link link, Mac to, const Arp& arp, Outbox& out);

  // What changes around it: director_admin.cpp, director_links.cpp, director_places.cpp.
  struct Place {  // what a server's slot has asked of others, to be taken back when it is otherwise
    uint16_t neighbor = kNoNeighbor;
    bool queued = false, tunnel = false, once_nat = false;
    std::optional<Mac> mac{};  // its neighbor was wanted with this one, fixed
    std::optional<Ip> at{};    // the way there is wanted
    std::optional<Ip> hop{};   // watched: its neighbor
    std::optional<Ip> nat{};   // watched: itself
  };
  struct Way {  // to an address of servers
    Route route{};
    bool known = false;
    uint32_t servers = 0;
  };
  class Counted {  // a sorted list of addresses, each as often as somebody wants it
   public:
    bool add(std::vector<Ip>& list, Ip a);     // true: it came
    bool remove(std::vector<Ip>& list, Ip a);  // true: it went
   private:
    std::vector<uint32_t> counts_;
  };
  void touch(const ServiceKey& key, std::optional<Endpoint> server = std::nullopt);
  void changed(Turn turn);
  void use_vip(Ip vip, Turn turn);
  void leave_vip(Ip vip, Instant now);
  void follow_claim(Ip vip, Instant now);
  void note_claims();
  std::vector<Ip> marked_vips() const;
  void place_later(ServerSlot slot);
  void place_all_later();
  void place_those_at(Ip addr);
  void place_some(Instant now);
  void place_server(ServerSlot slot, Instant now);
  void want_neighbor(ServerSlot slot, const Route& route, bool reachable, Instant now);
  void leave_neighbor(Place& place, Instant now);
  void follow_way(Place& place, std::optional<Ip> at);
  void watch_for(ServerSlot slot);
  void note_orphan(const Server& server);
  void tidy(Instant now);
  Route route_to(Ip addr) const;
  Route::Kind kind_of(const Route& route) const;
  const Shared* shared_as(Ip vip) const;  // null: it is shared with nobody
  bool is_own(Ip addr) const;             // this host's, on one of the links
  void warn_if_own(Ip vip, Outbox& out) const;
  Ip own_address(Link link) const;
  Link link_towards(Ip addr) const;
  void speak(Turn turn);
  void say(const Conflict& conflict, Outbox& out) const;
  static void say(const Route& route, Outbox& out);
  void give_up_fragments(Turn turn);

  Settings settings_;
  bool two_links_;
  std::array<bool, kLinks> guard_knows_flows_{true, true};
  bool speech_held_ = false;
  std::array<LinkFacts, kLinks> links_{};
  std::array<LinkCounters, kLinks> counters_{};
  Services services_;
  ConnectionTable connections_;
  Reassembly reassembly_;
  FtpSessions ftp_;
  SyncSender* told_ = nullptr;
  Neighbors neighbors_;
  Claims claims_;
  std::map<Ip, uint32_t> vips_;     // how many services are there
  std::vector<Shared> shared_;      // sorted by address
  std::optional<Shared> others_{};  // how VIPs are shared that are not in shared_
  std::vector<Place> places_;       // by server slot
  SlotQueue to_place_;              // servers whose surroundings are others now
  SlotQueue once_nat_;              // servers that were NAT's before an edit
  std::map<Ip, Way> ways_;
  std::vector<Ip> unknown_ways_;
  std::map<std::pair<uint16_t, Mac>, uint32_t> fixed_;  // how many servers want that neighbor to have that address
  Counted hops_, nats_;
  uint32_t tunnels_ = 0;  // servers
  uint64_t placed_ = 0;
  std::vector<Touched> touched_;
  Composer composer_;
  Limit resets_, errors_, too_bigs_, echoes_;
  ExitCounters exits_;
  Watch watch_;
  uint32_t watch_version_ = 0;
  uint32_t unknown_ports_ = 0;                 // connections whose client port is not known yet
  ConnectionId orphans_from_ = kNoConnection;  // none: no search for connections of removed servers is under way
  uint16_t next_tunnel_id_ = 1;                // IP identification of outer packets
  Instant tidy_due_ = kNever;                  // when to see which servers need not be kept for their connections
  size_t tidy_left_ = 0;                       // how many are still to be looked at
  std::vector<ServerSlot> gone_;
  Instant next_estimate_;                    // when the present interval of all Rates is over
  uint32_t intervals_ = 0, estimating_ = 0;  // over, and not yet counted; counted for the slots that follow
  uint32_t estimated_to_ = kAllEstimated;    // these slots
  static constexpr uint32_t kAllEstimated = UINT32_MAX;
  std::array<Arrival, kBatch> batch_{};
  Arrival whole_{};  // put together from fragments
  Frame whole_frame_{}, edited_frame_{};
  std::unique_ptr<uint8_t[]> large_answer_;  // the longest one there can be, before it is cut into letters
  std::vector<std::weak_ptr<Observer>> observers_;
  std::unique_ptr<uint8_t[]> seen_;   // for observers: the packet as it came
  bool opened_ = false;               // for observers: the packet began a connection
  ServerSlot served_by_ = kNoServer;  // for observers: who got the packet that left no connection
  bool whole_arrived_ = false;        // for observers: the packet completed a datagram, which is whole_
  std::vector<Ask> asks_;
  std::vector<Say> says_;
  std::vector<Conflict> conflicts_;
};

}  // namespace rawvs
