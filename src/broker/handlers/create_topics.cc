// CreateTopics (key 19): creates topics, each with an answer of its own. Where this
// node is the active controller it answers when its shards know them, so that a client that
// produces next finds them.

#include "protocol/create_topics.h"

#include "broker/client_quotas.h"
#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/create_topics.h"

namespace millrace::broker {
namespace {

Task<CreateTopicsResponse> answer(const CreateTopicsRequest& request, const Caller& caller,
                                  Controllers& controllers, ClientQuotas& limits) {
    auto kind = quotas::MutationQuota::kind_of(caller.version(), 6);
    controller::CreateTopics command{.request = request,
                                     .quota = limits.mutations(caller.request, kind)};
    auto response = co_await controllers.submit(std::move(command), caller);
    if (response) co_return *std::move(response);
    CreateTopicsResponse failed;
    for (const auto& topic : request.topics) {
        auto& result = failed.topics.emplace_back();
        result.name = topic.name;
        result.error_code = response.error().code;
        result.error_message = response.error().message;
    }
    co_return failed;
}

}  // namespace

constinit const Handler handlers::create_topics = serve<answer>;

}  // namespace millrace::broker
