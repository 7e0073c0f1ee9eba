#pragma once

#include <fmt/core.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "env/sim/fabric.h"
#include "server/clients_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {

enum class Roles { broker, controller, both };

struct ClusterShape {
    std::map<std::int32_t, Roles> nodes;
    // The voters are in the log (kraft.version 1) and not in the configuration.
    bool dynamic = false;
    std::string lines;  // of every node's configuration
};

// Three brokers, by turns also the controllers, and beside a single one.
inline ClusterShape three_brokers(std::uint64_t seed, std::string lines) {
    ClusterShape shape{.lines = std::move(lines)};
    if (seed % 2 == 0) {
        shape.nodes = {{1, Roles::both}, {2, Roles::both}, {3, Roles::both}};
    } else {
        shape.nodes = {
            {1, Roles::controller}, {11, Roles::broker}, {12, Roles::broker}, {13, Roles::broker}};
    }
    return shape;
}

// Nodes of a simulated world that are one cluster: node N is on machine "nodeN", where brokers
// listen on port 9092 and controllers on 9093. The controllers are the voters.
class SimulatedCluster {
  public:
    SimulatedCluster(env::sim::World& world, ClusterShape shape)
        : world_(world), shape_(std::move(shape)) {
        for (const auto& [id, roles] : shape_.nodes) add(id, roles);
    }

    // One more node than the shape had.
    SimulatedNode& add(std::int32_t id, Roles roles) {
        shape_.nodes[id] = roles;
        NodeShape node{.machine = machine(id), .lines = lines(id, roles), .standalone = false};
        if (shape_.dynamic && is_controller(id)) node.initial_controllers = initial_controllers();
        auto made = std::make_unique<SimulatedNode>(world_, node);
        return *(nodes_[id] = std::move(made));
    }
    static std::string machine(std::int32_t id) { return fmt::format("node{}", id); }

    SimulatedNode& node(std::int32_t id) { return *nodes_.at(id); }
    std::vector<std::int32_t> ids(bool (SimulatedCluster::*has)(std::int32_t) const) const {
        std::vector<std::int32_t> found;
        for (const auto& [id, roles] : shape_.nodes) {
            if ((this->*has)(id)) found.push_back(id);
        }
        return found;
    }
    std::vector<std::int32_t> node_ids() const {
        std::vector<std::int32_t> all;
        for (const auto& [id, roles] : shape_.nodes) all.push_back(id);
        return all;
    }
    bool is_controller(std::int32_t id) const { return shape_.nodes.at(id) != Roles::broker; }
    bool is_broker(std::int32_t id) const { return shape_.nodes.at(id) != Roles::controller; }
    std::vector<std::int32_t> controllers() const { return ids(&SimulatedCluster::is_controller); }
    std::vector<std::int32_t> brokers() const { return ids(&SimulatedCluster::is_broker); }

    void start_all() {
        for (auto& [id, node] : nodes_) {
            if (!node->running()) node->start();
        }
    }
    bool wait_for(const std::function<bool()>& done, Duration limit = Duration::seconds(300)) {
        return world_.run_until([&] { return done() || testing::Test::HasFailure(); }, limit) &&
               !testing::Test::HasFailure();
    }
    bool all_ready() const {
        for (const auto& [id, node] : nodes_) {
            if (!node->ready()) return false;
        }
        return true;
    }
    bool start_and_wait() {
        start_all();
        return wait_for([&] { return all_ready(); });
    }
    // Every node runs and is ready on a network that is whole, whatever it dies of meanwhile.
    void recover() {
        world_.fabric().heal();
        auto done = [&] {
            start_all();
            return all_ready();
        };
        EXPECT_TRUE(wait_for(done, Duration::seconds(600))) << "the cluster does not come back";
    }
    // The node that leads in the newest epoch, of those that run.
    std::optional<std::int32_t> leader() const {
        std::optional<std::int32_t> found;
        std::int32_t newest = -1;
        for (const auto& [id, node] : nodes_) {
            if (!node->ready()) continue;
            quorum::QuorumStatus status = node->process().quorum().status();
            if (status.leader == id && status.epoch > newest) {
                newest = status.epoch;
                found = id;
            }
        }
        return found;
    }
    metadata::ImagePtr image(std::int32_t id) { return node(id).process().quorum().image(); }
    // All that run have read the same metadata, to the end.
    bool settled() {
        std::optional<std::int32_t> leading = leader();
        if (!leading) return false;
        std::int64_t end = image(*leading)->offset;
        for (const auto& [id, node] : nodes_) {
            if (node->ready() && image(id)->offset != end) return false;
        }
        return true;
    }

    // Runs `body` with an admin that knows every broker, on a machine of its own.
    void administer(const AdminBody& body) {
        if (admin_ == nullptr) admin_ = &world_.add_node("admin");
        std::string servers;
        for (std::int32_t id : brokers())
            servers += fmt::format("{}{}:9092", servers.empty() ? "" : ",", machine(id));
        run_on(world_, *admin_, [&](env::Shard& shard) -> Task<void> {
            auto config = client::AdminConfig::parse(
                {{"bootstrap.servers", servers}, {"default.api.timeout.ms", "300000"}});
            CHECK(config.has_value());
            client::Admin admin(shard, *config);
            co_await and_finally(shard, [&] { return body(admin); }, [&] { return admin.close(); });
        });
    }

  private:
    static std::string directory_id(std::int32_t id) {
        return Uuid{77, static_cast<std::uint64_t>(id)}.to_string();
    }
    std::string initial_controllers() const {
        std::string text;
        for (std::int32_t id : controllers()) {
            text += fmt::format("{}{}@{}:9093:{}", text.empty() ? "" : ",", id, machine(id),
                                directory_id(id));
        }
        return text;
    }
    std::string lines(std::int32_t id, Roles roles) const {
        std::string voters;
        std::string bootstrap;
        for (std::int32_t each : controllers()) {
            voters += fmt::format("{}{}@{}:9093", voters.empty() ? "" : ",", each, machine(each));
            bootstrap += fmt::format("{}{}:9093", bootstrap.empty() ? "" : ",", machine(each));
        }
        std::string text = fmt::format("controller.quorum.bootstrap.servers={}\n", bootstrap);
        if (!shape_.dynamic) text += fmt::format("controller.quorum.voters={}\n", voters);
        text += fmt::format("node.id={}\n", id);
        std::string machine_name = machine(id);
        switch (roles) {
            case Roles::broker:
                text += fmt::format(
                    "process.roles=broker\nlisteners=PLAINTEXT://:9092\n"
                    "advertised.listeners=PLAINTEXT://{}:9092\n",
                    machine_name);
                break;
            case Roles::controller:
                text += fmt::format(
                    "process.roles=controller\nlisteners=CONTROLLER://:9093\n"
                    "advertised.listeners=CONTROLLER://{}:9093\n",
                    machine_name);
                break;
            case Roles::both:
                text +=
                    fmt::format("advertised.listeners=PLAINTEXT://{0}:9092,CONTROLLER://{0}:9093\n",
                                machine_name);
        }
        return text + shape_.lines;
    }

    env::sim::World& world_;
    ClusterShape shape_;
    std::map<std::int32_t, std::unique_ptr<SimulatedNode>> nodes_;
    env::sim::Node* admin_ = nullptr;
};

}  // namespace millrace::server
