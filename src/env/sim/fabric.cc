#include "env/sim/fabric.h"

#include <algorithm>
#include <string>

#include "env/sim/acceptor.h"
#include "env/sim/channel.h"
#include "env/sim/dial.h"
#include "env/sim/world.h"

namespace millrace::env::sim {
namespace {

// Where the ports begin that the system chooses itself.
constexpr std::uint16_t first_chosen_port = 32768;

template <typename Owned>
std::vector<Owned> values(const std::map<std::uint64_t, Owned>& map) {
    std::vector<Owned> all;
    for (const auto& [number, each] : map) all.push_back(each);
    return all;
}

}  // namespace

bool is_numeric(std::string_view host) {
    return host.find_first_not_of("0123456789.") == std::string_view::npos || host.contains(':');
}

Fabric::Fabric(World& world, Random random) : world_(world), random_(random) {}

Fabric::Link& Fabric::link(const Node& from, const Node& to) {
    return links_[{from.number(), to.number()}];
}

const Fabric::Link* Fabric::find_link(const Node& from, const Node& to) const {
    auto found = links_.find({from.number(), to.number()});
    return found == links_.end() ? nullptr : &found->second;
}

void Fabric::set_conditions(const Node& from, const Node& to, const NetworkConditions& own) {
    link(from, to).own = own;
}

const NetworkConditions& Fabric::conditions_of(const Node& from, const Node& to) const {
    const Link* found = find_link(from, to);
    return found != nullptr && found->own ? *found->own : conditions;
}

void Fabric::set_cut(const Nodes& from, const Nodes& to, bool cut) {
    for (const Node* sender : from) {
        for (const Node* receiver : to) link(*sender, *receiver).cut = cut;
    }
}

void Fabric::cut_one_way(const Nodes& from, const Nodes& to) { set_cut(from, to, true); }

void Fabric::cut(const Nodes& some, const Nodes& others) {
    set_cut(some, others, true);
    set_cut(others, some, true);
}

void Fabric::isolate(const Node& node) { isolated_.insert(node.number()); }

void Fabric::heal(const Nodes& some, const Nodes& others) {
    set_cut(some, others, false);
    set_cut(others, some, false);
}

void Fabric::heal() {
    isolated_.clear();
    for (auto& [nodes, each] : links_) each.cut = false;
}

void Fabric::reset(const Node& one, const Node& other) {
    for (const std::shared_ptr<Channel>& each : values(channels_)) {
        if (each->connects(one, other)) each->reset();
    }
}

bool Fabric::passes(const Node& from, const Node& to) const {
    if (!to.powered()) return false;
    if (&from == &to) return true;
    if (isolated_.contains(from.number()) || isolated_.contains(to.number())) return false;
    const Link* found = find_link(from, to);
    return found == nullptr || !found->cut;
}

Time Fabric::arrival(const Node& from, const Node& to, std::size_t bytes) {
    const NetworkConditions& between = conditions_of(from, to);
    Link& way = link(from, to);
    double seconds = static_cast<double>(bytes) / static_cast<double>(between.bytes_a_second);
    way.busy_until = std::max(way.busy_until, world_.now()) +
                     Duration::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
    return way.busy_until + between.latency.draw(random_);
}

void Fabric::on_arrival(const Node& from, const Node& to, std::function<void()> event) {
    world_.at(arrival(from, to, 0), std::move(event));
}

Node* Fabric::find(Node& from, std::string_view host) const {
    for (std::string_view own : {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""}) {
        if (host == own) return &from;
    }
    for (const auto& each : world_.nodes()) {
        if (each->name() == host || each->address() == host) return each.get();
    }
    return nullptr;
}

void Fabric::drop(Node& node, bool machine_answers) {
    for (Acceptor* each : values(acceptors_)) {
        if (&each->node() == &node) each->drop(machine_answers);
    }
    for (Dial* each : values(dials_)) {
        if (&each->node() == &node) each->fail_with("the process has ended");
    }
    for (const std::shared_ptr<Channel>& each : values(channels_)) {
        each->drop(node, machine_answers);
    }
}

std::uint16_t Fabric::pick_port(const Node& node) {
    std::uint16_t& next = next_port_.try_emplace(node.number(), first_chosen_port).first->second;
    auto in_use = [&](std::uint16_t port) {
        return std::ranges::any_of(acceptors_, [&](const auto& each) {
            return &each.second->node() == &node && each.second->local().port == port;
        });
    };
    std::uint16_t port = 0;
    do {
        port = next;
        next = next == 65535 ? first_chosen_port : static_cast<std::uint16_t>(next + 1);
    } while (in_use(port));
    return port;
}

std::uint64_t Fabric::add(Acceptor& acceptor) {
    acceptors_.emplace(++added_, &acceptor);
    return added_;
}

void Fabric::remove(Acceptor& acceptor) { acceptors_.erase(acceptor.number()); }

Acceptor* Fabric::acceptor(std::uint64_t number) const {
    auto found = acceptors_.find(number);
    return found == acceptors_.end() ? nullptr : found->second;
}

Acceptor* Fabric::choose_acceptor(const Node& node, std::string_view host, std::uint16_t port) {
    std::vector<Acceptor*> fitting;
    for (const auto& [number, each] : acceptors_) {
        if (&each->node() == &node && each->hears(host, port)) fitting.push_back(each);
    }
    if (fitting.empty()) return nullptr;
    return fitting[random_.below(fitting.size())];
}

std::uint64_t Fabric::add(Dial& dial) {
    dials_.emplace(++added_, &dial);
    return added_;
}

void Fabric::remove(Dial& dial) { dials_.erase(dial.number()); }

std::uint64_t Fabric::add(std::shared_ptr<Channel> channel) {
    channels_.emplace(++added_, std::move(channel));
    return added_;
}

void Fabric::remove(Channel& channel) { channels_.erase(channel.number()); }

}  // namespace millrace::env::sim
