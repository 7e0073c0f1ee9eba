// DeleteTopics (key 20): deletes topics by name or, from version 6, by id.

#include "protocol/delete_topics.h"

#include "broker/client_quotas.h"
#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "config/broker_config.h"
#include "core/controller/delete_topics.h"

namespace millrace::broker {
namespace {

DeleteTopicsResponse refuse_all(const DeleteTopicsRequest& request, std::int16_t version,
                                const Error& error) {
    DeleteTopicsResponse response;
    auto refuse = [&](std::optional<std::string> name, Uuid id) {
        response.responses.push_back({.name = std::move(name),
                                      .topic_id = id,
                                      .error_code = error.code,
                                      .error_message = error.message});
    };
    if (version >= 6) {
        for (const auto& topic : request.topics) refuse(topic.name, topic.topic_id);
    } else {
        for (const std::string& name : request.topic_names) refuse(name, {});
    }
    return response;
}

Task<DeleteTopicsResponse> answer(const DeleteTopicsRequest& request, const Caller& caller,
                                  Controllers& controllers, const config::BrokerConfig& config,
                                  ClientQuotas& limits) {
    if (!config.delete_topic_enable()) {
        bool old = caller.version() < 3;
        co_return refuse_all(request, caller.version(),
                             {old ? ErrorCode::invalid_request : ErrorCode::topic_deletion_disabled,
                              "delete.topic.enable is false on this node"});
    }
    auto kind = quotas::MutationQuota::kind_of(caller.version(), 5);
    controller::DeleteTopics command{.request = request,
                                     .version = caller.version(),
                                     .quota = limits.mutations(caller.request, kind)};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    co_return refuse_all(request, caller.version(), response.error());
}

}  // namespace

constinit const Handler handlers::delete_topics = serve<answer>;

}  // namespace millrace::broker
