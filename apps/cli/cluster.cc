#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/core.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "client/admin_cluster.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().letter('b'),
    bootstrap_controller().letter('C'),
    command_config().letter('c'),
    value("config", "FILE", "use --command-config").file().deprecated(),
};
constexpr Flag unregister_flags[] = {
    value("id", "ID", "the broker that is gone for good").letter('i').int32().required(),
};
constexpr Flag list_endpoints_flags[] = {
    on_off("include-fenced-brokers", "brokers that may not serve, too"),
};
constexpr Verb verbs[] = {
    {"cluster-id", "tell the cluster's id", {}},
    {"unregister", "forget a broker", unregister_flags},
    {"list-endpoints", "list brokers, or controllers, with their addresses", list_endpoints_flags},
};

Task<Result<>> cluster_id(client::Admin& admin, const Arguments& arguments, Output& output) {
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin));
    if (arguments.as_json()) {
        output.json(json::object{{"cluster_id", cluster.cluster_id}});
    } else {
        output.line("Cluster ID: {}", cluster.cluster_id);
    }
    co_return Result<>();
}

Task<Result<>> unregister(client::Admin& admin, const Arguments& arguments, Output& output) {
    auto id = static_cast<std::int32_t>(arguments.number("id").value_or(-1));
    CO_RETURN_IF_ERROR(co_await client::unregister_broker(admin, id));
    if (arguments.as_json()) {
        output.json(json::object{{"unregistered", id}});
    } else {
        output.line("Broker {} is no longer registered.", id);
    }
    co_return Result<>();
}

void print_nodes(const std::vector<client::NodeDescription>& nodes, bool controllers,
                 Output& output) {
    std::size_t host_width = 0;
    std::size_t rack_width = 0;
    for (const auto& node : nodes) {
        host_width = std::max(host_width, width_of(node.address.host));
        if (node.rack) rack_width = std::max(rack_width, width_of(*node.rack));
    }
    if (nodes.empty()) host_width = 100;
    if (rack_width == 0) rack_width = 10;
    auto print_row = [&](std::string_view id, std::string_view host, std::string_view port,
                         std::string_view rack, std::string_view state, std::string_view type) {
        output.print("{} {} {} {}", padded(id, 10), padded(host, host_width), padded(port, 10),
                     padded(rack, rack_width));
        if (!controllers) output.print(" {}", padded(state, 10));
        output.line(" {}", padded(type, 15));
    };
    print_row("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE");
    for (const auto& node : nodes) {
        print_row(std::to_string(node.id), node.address.host, std::to_string(node.address.port),
                  node.rack.value_or("null"), node.fenced ? "fenced" : "unfenced",
                  controllers ? "controller" : "broker");
    }
}

Task<Result<>> list_endpoints(client::Admin& admin, const Arguments& arguments, Output& output) {
    bool controllers = arguments.has("bootstrap-controller");
    client::DescribeClusterOptions options{.fenced_brokers =
                                               arguments.has("include-fenced-brokers")};
    ASSIGN_OR_CO_RETURN(auto cluster, co_await client::describe_cluster(admin, options));
    if (!arguments.as_json()) {
        print_nodes(cluster.nodes, controllers, output);
        co_return Result<>();
    }
    json::array nodes;
    for (const auto& node : cluster.nodes) {
        nodes.push_back(
            json::object{{"id", node.id},
                         {"host", node.address.host},
                         {"port", node.address.port},
                         {"rack", node.rack ? json::value(*node.rack) : json::value(nullptr)},
                         {"fenced", node.fenced},
                         {"endpoint_type", controllers ? "controller" : "broker"}});
    }
    output.json(json::object{{"endpoints", std::move(nodes)}});
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    Result<> checked = check_bootstrap(arguments);
    if (checked && arguments.verb() == "list-endpoints") {
        checked = arguments.alone("include-fenced-brokers", {"bootstrap-controller"});
    }
    if (!checked) co_return output.fail(checked.error());
    auto how = with_old_config(shard, arguments, "config");
    if (!how) co_return output.fail(how.error());
    AdminTool tool = arguments.verb() == "cluster-id"   ? cluster_id
                     : arguments.verb() == "unregister" ? unregister
                                                        : list_endpoints;
    co_return co_await run_with_admin(shard, arguments, output, tool, *std::move(how));
}

}  // namespace

const Command tools::cluster{
    .name = "cluster",
    .kafka_name = "kafka-cluster",
    .summary = "tell the cluster's id and nodes, or forget a broker",
    .flags = flags,
    .verbs = verbs,
    .run = run,
};

}  // namespace millrace::cli
