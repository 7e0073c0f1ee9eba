#pragma once

#include <functional>

#include "config/value.h"
#include "core/controller/decision.h"
#include "core/metadata/image.h"
#include "protocol/alter_configs.h"
#include "protocol/incremental_alter_configs.h"

namespace millrace::controller {

class State;

// Whether a caller may alter a resource's configs; empty: any.
using ConfigPermit = std::function<bool(const metadata::ConfigResourceView&)>;

// Sets, removes, extends or cuts single configs (KIP-339). A resource's changes are made together
// or not at all. Loggers are no metadata: their resources are refused here. Values of broker
// configs are for the broker to check, which alone knows what it runs with; see altered().
struct IncrementalAlterConfigs {
    IncrementalAlterConfigsRequest request;
    ConfigPermit may_alter;
};
Decision<IncrementalAlterConfigsResponse> decide(const IncrementalAlterConfigs& command,
                                                 const State& state, Inputs in);

// Gives a resource the configs of the request and no others.
struct AlterConfigs {
    AlterConfigsRequest request;
    ConfigPermit may_alter;
};
Decision<AlterConfigsResponse> decide(const AlterConfigs& command, const State& state, Inputs in);

// What a resource with these configs would have after the request's operations. Error
// invalid_request for an unknown operation, a value that is missing or a key that comes twice,
// invalid_config for a list operation on what is no list.
Result<config::ConfigMap> altered(
    const config::ConfigMap& current,
    const IncrementalAlterConfigsRequest::AlterConfigsResource& resource);

}  // namespace millrace::controller
