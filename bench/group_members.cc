// Members of one group of the classic protocol, which all join at the same moment: how long until
// every partition of the topic has one of them, all in one generation. Prints a line of JSON.
// Each member has a connection of its own, which is open before.

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fmt/core.h>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/condition.h"
#include "base/log.h"
#include "base/scope.h"
#include "client/cluster.h"
#include "client/group_member.h"
#include "env/posix/world.h"
#include "stream.h"

namespace millrace::bench {
namespace {

[[noreturn]] void give_up(const std::string& why) {
    fmt::print(stderr, "group_members: {}\n", why);
    std::_Exit(1);
}

struct Terms {
    std::uint16_t port = 0;
    std::string topic;
    std::string group;
    std::string assignor = "range";
    int members = 50;
    int heartbeat_ms = 3000;
};

class Member {
  public:
    Member(env::Shard& shard, const Terms& terms)
        : cluster_(shard, {.bootstrap = {{"127.0.0.1", terms.port}}}),
          member_(cluster_, assignors(terms.assignor), changed_,
                  {.group_id = terms.group,
                   .heartbeat_interval = Duration::milliseconds(terms.heartbeat_ms),
                   .retry = {Duration::milliseconds(100), Duration::milliseconds(1000)}}) {}

    // Knows the topic and the coordinator.
    Task<void> prepare(const Terms& terms) {
        Time deadline = cluster_.shard().now() + Duration::seconds(60);
        auto topic = co_await cluster_.topic(terms.topic, deadline);
        if (!topic) give_up(topic.error().message);
        for (;;) {
            auto found = co_await cluster_.coordinator(client::CoordinatorType::group, terms.group,
                                                       client::Lane::coordinator);
            if (found) co_return;
            if (cluster_.shard().now() >= deadline) give_up(found.error().message);
            co_await env::sleep_for(cluster_.shard(), Duration::milliseconds(50));
        }
    }

    // Joins again and again, as the group asks for.
    Task<void> run(const Terms& terms, Condition& moved) {
        for (;;) {
            std::uint64_t seen = changed_.count();
            using State = client::GroupMember::State;
            if (auto error = member_.take_error()) give_up(error->message);
            if (member_.state() == State::assigned) owned_ = member_.take_assignment();
            if (member_.rejoin_wanted() || member_.state() == State::out) {
                owned_.clear();
                ++joins_;
                member_.begin_join({terms.topic}, {});
            }
            moved.notify_all();
            co_await changed_.changed_since(seen);
        }
    }

    const client::Partitions& owned() const { return owned_; }
    std::int32_t generation() const { return member_.committer().generation; }
    int joins() const { return joins_; }
    std::size_t partitions(const std::string& topic) const {
        return cluster_.metadata()->topic(std::string_view(topic))->partitions.size();
    }
    Task<void> close() {
        co_await member_.close();
        co_await cluster_.close();
    }

  private:
    static std::vector<std::unique_ptr<client::Assignor>> assignors(const std::string& name) {
        std::vector<std::unique_ptr<client::Assignor>> made;
        auto assignor = client::assignor_named(name);
        if (!assignor) give_up(assignor.error().message);
        made.push_back(*std::move(assignor));
        return made;
    }

    client::Cluster cluster_;
    client::Signal changed_;
    client::GroupMember member_;
    client::Partitions owned_;
    int joins_ = 0;
};

using Members = std::vector<std::unique_ptr<Member>>;

bool formed(const Members& members, const Terms& terms) {
    std::set<client::TopicPartition> owned;
    for (const auto& member : members) {
        if (member->generation() != members.front()->generation()) return false;
        owned.insert(member->owned().begin(), member->owned().end());
    }
    return owned.size() == members.front()->partitions(terms.topic);
}

Task<int> form(env::Shard& shard, const Terms& terms) {
    Members members;
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (int i = 0; i < terms.members; ++i) {
            members.push_back(std::make_unique<Member>(shard, terms));
            scope.spawn(members.back()->prepare(terms));
        }
        co_await scope.join();
    });
    Condition moved;
    std::int64_t began = now_ns();
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (const auto& member : members) scope.spawn(member->run(terms, moved));
        while (!formed(members, terms)) co_await moved.wait();
    });
    double seconds = static_cast<double>(now_ns() - began) / 1e9;
    int joins = 0;
    for (const auto& member : members) joins += member->joins();
    fmt::print("{{\"seconds\": {:.6f}, \"joins\": {}, \"generation\": {}}}\n", seconds, joins,
               members.front()->generation());
    for (const auto& member : members) co_await member->close();
    co_return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    using namespace millrace;
    CLI::App app("forms a group");
    bench::Terms terms;
    app.add_option("--port", terms.port)->required();
    app.add_option("--topic", terms.topic)->required();
    app.add_option("--group", terms.group)->required();
    app.add_option("--members", terms.members);
    app.add_option("--assignor", terms.assignor);
    app.add_option("--heartbeat-ms", terms.heartbeat_ms);
    CLI11_PARSE(app, argc, argv);
    (void)log::set_level("*", "error");
    env::posix::World world({.shards = 1, .helper_threads = 1, .timestamp_log = false});
    return world.run([&](env::Shard& shard) { return bench::form(shard, terms); });
}
