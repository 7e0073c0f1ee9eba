// DescribeCluster (key 60): the cluster's id and its brokers, or its controllers (KIP-919).
//
// A broker's listener tells of brokers only, a controller's of controllers only.

#include "protocol/describe_cluster.h"

#include "broker/authorized_operations.h"
#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"

namespace millrace::broker {
namespace {

constexpr std::int8_t brokers_endpoint = 1;
constexpr std::int8_t controllers_endpoint = 2;

template <typename Registration>
void add(DescribeClusterResponse& response, const Registration& registration,
         std::string_view listener, bool fenced) {
    const config::Endpoint* endpoint = registration.endpoint(listener);
    if (endpoint == nullptr) return;
    auto& told = response.brokers.emplace_back();
    told.broker_id = registration.id;
    told.host = endpoint->host;
    told.port = endpoint->port;
    told.is_fenced = fenced;
    if constexpr (requires { registration.rack; }) told.rack = registration.rack;
}

Task<DescribeClusterResponse> answer(const DescribeClusterRequest& request, const Caller& caller,
                                     const Node& node, MetadataCache& cache,
                                     Controllers& controllers) {
    DescribeClusterResponse response;
    bool controller = caller.peer().listener->is_controller;
    std::int8_t here = controller ? controllers_endpoint : brokers_endpoint;
    if (request.endpoint_type != here) {
        bool known = request.endpoint_type == brokers_endpoint ||
                     request.endpoint_type == controllers_endpoint;
        response.error_code =
            known ? ErrorCode::mismatched_endpoint_type : ErrorCode::unsupported_endpoint_type;
        response.error_message = known ? "The request was sent to an endpoint of the wrong type."
                                       : "The endpoint type is not known.";
        co_return response;
    }
    response.endpoint_type = request.endpoint_type;
    metadata::ImagePtr image = cache.image();
    response.cluster_id = node.cluster_id;
    const std::string& listener = caller.peer().listener->name;
    if (controller) {
        for (const auto& [id, each] : image->controllers) add(response, *each, listener, false);
        response.controller_id = controllers.leader_id();
    } else {
        for (const auto& [id, broker] : image->brokers) {
            if (broker->fenced && !request.include_fenced_brokers) continue;
            add(response, *broker, listener, broker->fenced);
        }
        response.controller_id = image->active_broker(node.id) != nullptr ? node.id : -1;
    }
    if (request.include_cluster_authorized_operations) {
        response.cluster_authorized_operations = cluster_operations;
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_cluster = serve<answer>;

}  // namespace millrace::broker
