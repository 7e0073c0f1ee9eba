#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "env/sim/conditions.h"
#include "env/sim/record_cipher.h"

namespace millrace::env::sim {

class Acceptor;
class Channel;
class Dial;
class Node;
class World;

// Whether a host is an address rather than a name.
bool is_numeric(std::string_view host);

// The network between the nodes of a world, and what goes wrong with it. Streams keep their order
// each, and overtake one another.
class Fabric {
  public:
    Fabric(World& world, Random random);

    // Of every link that has none of its own.
    NetworkConditions conditions;
    // What the systems of its machines encrypt with; empty: they have no TLS.
    RecordCiphers record_ciphers;
    // Of what is sent from one node to another.
    void set_conditions(const Node& from, const Node& to, const NetworkConditions& own);

    // What any of `from` sends to any of `to` is lost until it is healed; the way back is as it
    // was. Whoever sends tries again, and gives up in the end.
    using Nodes = std::vector<const Node*>;
    void cut_one_way(const Nodes& from, const Nodes& to);
    void cut(const Nodes& some, const Nodes& others);
    // Cuts one node off from every other.
    void isolate(const Node& node);
    void heal(const Nodes& some, const Nodes& others);
    void heal();
    // Every connection between the two is broken, at both ends.
    void reset(const Node& one, const Node& other);

    std::size_t connections() const { return channels_.size(); }  // of which an end is left

    // For the world and the network's parts.
    World& world() { return world_; }
    Random& random() { return random_; }
    // The process on the node has ended: its listeners are gone and its connections closed, in
    // order if the machine still answers for it, else without a word.
    void drop(Node& node, bool machine_answers);
    // The node of that name or numeric address, as `from` sees it; null when there is none.
    Node* find(Node& from, std::string_view host) const;
    const NetworkConditions& conditions_of(const Node& from, const Node& to) const;
    // Whether something that arrives now was not lost on its way, and finds a machine.
    bool passes(const Node& from, const Node& to) const;
    // When something that is sent now arrives.
    Time arrival(const Node& from, const Node& to, std::size_t bytes);
    // Runs `event` when a packet that is sent now has arrived.
    void on_arrival(const Node& from, const Node& to, std::function<void()> event);

    std::uint16_t pick_port(const Node& node);
    std::uint64_t add(Acceptor& acceptor);
    void remove(Acceptor& acceptor);
    Acceptor* acceptor(std::uint64_t number) const;
    // One of the listeners that a connection to that host and port of the node may come to.
    Acceptor* choose_acceptor(const Node& node, std::string_view host, std::uint16_t port);
    std::uint64_t add(Dial& dial);
    void remove(Dial& dial);
    std::uint64_t add(std::shared_ptr<Channel> channel);
    void remove(Channel& channel);

  private:
    struct Link {
        bool cut = false;
        Time busy_until;
        std::optional<NetworkConditions> own;
    };
    Link& link(const Node& from, const Node& to);
    const Link* find_link(const Node& from, const Node& to) const;
    void set_cut(const Nodes& from, const Nodes& to, bool cut);

    World& world_;
    Random random_;
    std::uint64_t added_ = 0;
    std::map<std::pair<int, int>, Link> links_;  // by the numbers of both nodes
    std::set<int> isolated_;
    std::map<int, std::uint16_t> next_port_;
    std::map<std::uint64_t, Acceptor*> acceptors_;
    std::map<std::uint64_t, Dial*> dials_;
    std::map<std::uint64_t, std::shared_ptr<Channel>> channels_;
};

}  // namespace millrace::env::sim
