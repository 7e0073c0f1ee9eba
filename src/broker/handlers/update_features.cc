// UpdateFeatures (key 57): raises or lowers finalized feature levels (KIP-584).

#include "protocol/update_features.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/controller/update_features.h"

namespace millrace::broker {
namespace {

Task<UpdateFeaturesResponse> answer(const UpdateFeaturesRequest& request, const Caller& caller,
                                    Controllers& controllers) {
    auto response = co_await controllers.submit(
        controller::UpdateFeatures{.request = request, .version = caller.version()}, caller);
    if (response) co_return *std::move(response);
    co_return UpdateFeaturesResponse{.error_code = response.error().code,
                                     .error_message = response.error().message};
}

}  // namespace

constinit const Handler handlers::update_features = serve<answer>;

}  // namespace millrace::broker
