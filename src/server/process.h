#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/condition.h"
#include "base/result.h"
#include "base/scope.h"
#include "base/task.h"
#include "broker/broker.h"
#include "broker/log_directories.h"
#include "config/broker_config.h"
#include "net/http.h"
#include "quorum/metadata_quorum.h"
#include "storage/remote/object_store.h"

namespace millrace::server {

// A node: all that one process of Millrace runs, in whichever world its shard belongs to. Made and
// used on shard 0.
class Process {
  public:
    // What only the world around the node knows; each may be left out.
    struct Around {
        // Adds figures at each scrape.
        std::function<void(metrics::Snapshot&)> more_figures;
        broker::WorkMeter::Clock clock;  // goes on during loop turns
        broker::ConnectionRates::Resolve resolve;
    };
    // Opens what tiered storage keeps segments in. Blocking.
    using OpenStore = std::function<Result<std::unique_ptr<storage::remote::ObjectStore>>(
        const config::BrokerConfig&)>;
    // Opens the log directories, takes part in the quorum, and ends when clients are served.
    // Errors are for the operator: what cannot be done, and what to change.
    static Task<Result<std::unique_ptr<Process>>> start(env::Shard& shard,
                                                        config::BrokerConfig config,
                                                        OpenStore open_store = {},
                                                        Around around = {});
    ~Process();

    // Ends when the node cannot go on: stop() it then, and tell the operator why.
    Task<Error> failed();
    // Controlled shutdown, or after a failure as much of it as can be. The first error is returned;
    // all is closed nevertheless.
    Task<Result<>> stop();
    const broker::Broker& broker() const { return *broker_; }
    quorum::MetadataQuorum& quorum() const { return *quorum_; }
    // Where /metrics is served, with the ports that the OS chose.
    const std::vector<env::Address>& metrics_addresses() const { return metrics_addresses_; }

  private:
    Process(env::Shard& shard, config::BrokerConfig config, OpenStore open_store, Around around);
    Task<Result<>> start_in_time();
    Task<Result<>> start_all();
    Result<> open_directories();
    Task<Result<>> open_store();
    Result<> serve_metrics();
    Task<net::HttpResponse> answer_http(std::string_view path);
    Task<void> watch_quorum();
    void fail_with(Error error);

    env::Shard& shard_;
    config::BrokerConfig config_;
    OpenStore open_store_;
    Around around_;
    std::unique_ptr<storage::remote::ObjectStore> store_;
    std::unique_ptr<broker::LogDirectories> directories_;
    std::unique_ptr<quorum::MetadataQuorum> quorum_;
    std::unique_ptr<broker::Broker> broker_;
    std::unique_ptr<net::HttpServer> http_;
    std::vector<env::Address> metrics_addresses_;
    std::optional<Error> failure_;
    Condition failed_;
    Scope scope_;
};

}  // namespace millrace::server
