#include "server/process.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/random.h"
#include "config/ignored_broker_keys.h"
#include "server/log.h"
#include "server/version.h"

namespace millrace::server {
namespace {

// Keys that ask for what this version does not do, where going on without it would be worse than
// not starting.
Result<> check_supported(const config::BrokerConfig& config) {
    auto refuse = [](std::string text) { return fail(ErrorCode::invalid_config, std::move(text)); };
    for (const auto* endpoints : {&config.broker_endpoints(), &config.controller_endpoints()}) {
        for (const config::Endpoint& each : *endpoints) {
            if (!config::uses_sasl(each.protocol)) continue;
            return refuse(
                fmt::format("listener.security.protocol.map: listener {} is {}; this version "
                            "has no SASL, and serves PLAINTEXT and SSL",
                            each.listener, config::name_of(each.protocol)));
        }
    }
    if (config::uses_sasl(config.controller_protocol())) {
        return refuse(fmt::format(
            "listener.security.protocol.map: controllers are reached by listener {}, "
            "which is {}; this version has no SASL, and uses PLAINTEXT and SSL",
            config.controller_listener(), config::name_of(config.controller_protocol())));
    }
    if (!config.authorizer_class_name().empty()) {
        return refuse(
            fmt::format("authorizer.class.name: '{}' cannot be run; this version has no "
                        "authorizer, and leaves everything allowed when the key is empty",
                        config.authorizer_class_name()));
    }
    for (const config::IgnoredBrokerKey& ignored : config::ignored_broker_keys()) {
        if (ignored.how != config::IgnoredBrokerKey::How::refused) continue;
        const config::Definition& key = *config.catalogue().find(ignored.name);
        std::string value = config::to_text(config.at(key)).value_or("");
        if (value == key.default_text.value_or("")) continue;
        return refuse(fmt::format("{}: '{}' cannot be run: {}; leave the key out", ignored.name,
                                  value, ignored.why));
    }
    constexpr std::string_view selectors = "org.apache.kafka.common.replica.";
    std::string_view selector = config.replica_selector_class().value_or("");
    if (selector.starts_with(selectors)) selector.remove_prefix(selectors.size());
    if (!selector.empty() && selector != "RackAwareReplicaSelector" &&
        selector != "LeaderSelector") {
        return refuse(
            fmt::format("replica.selector.class: '{}' cannot be run; this version has {}"
                        "LeaderSelector, which is the default, and {}RackAwareReplicaSelector",
                        selector, selectors, selectors));
    }
    constexpr std::string_view topic_based =
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager";
    if (config.remote_log_storage_system_enable() &&
        config.remote_log_metadata_manager_class_name() != topic_based) {
        return refuse(
            fmt::format("remote.log.metadata.manager.class.name: '{}' cannot be run; this version "
                        "keeps remote log metadata in a topic, as {} does",
                        config.remote_log_metadata_manager_class_name(), topic_based));
    }
    return {};
}

}  // namespace

Process::Process(env::Shard& shard, config::BrokerConfig config, OpenStore open_store,
                 Around around)
    : shard_(shard),
      config_(std::move(config)),
      open_store_(std::move(open_store)),
      around_(std::move(around)),
      scope_(shard) {}

Process::~Process() = default;

Task<Result<std::unique_ptr<Process>>> Process::start(env::Shard& shard,
                                                      config::BrokerConfig config,
                                                      OpenStore open_store, Around around) {
    std::unique_ptr<Process> process(
        new Process(shard, std::move(config), std::move(open_store), std::move(around)));
    Result<> started;
    bool cancelled = false;
    try {
        started = co_await process->start_in_time();
    } catch (const Cancelled&) {
        cancelled = true;
    }
    if (started && !cancelled) co_return process;
    Cancellation shield(shard);
    Result<> stopped = co_await process->stop().under(shield);
    if (!stopped) LOG_ERROR("{}", stopped.error().message);
    if (cancelled) throw Cancelled{};
    co_return fail(started.error());
}

Task<Result<>> Process::start_in_time() {
    auto most = Duration::milliseconds(config_.server_max_startup_time_ms());
    auto started = co_await env::with_deadline(shard_, shard_.now() + most, start_all());
    if (started) co_return *std::move(started);
    co_return fail(ErrorCode::request_timed_out,
                   fmt::format("it is not up after {} ms, which is server.max.startup.time.ms; the "
                               "lines above say what it waited for",
                               most.ms()));
}

Task<Result<>> Process::start_all() {
    Time began = shard_.now();
    for (const std::string& warning : config_.warnings()) LOG_WARN("{}", warning);
    CO_RETURN_IF_ERROR(check_supported(config_));
    CO_RETURN_IF_ERROR(open_directories());
    CO_RETURN_IF_ERROR(co_await open_store());
    storage::LogDirectory* directory = directories_->find(config_.metadata_directory());
    quorum::MetadataQuorum::Options options{
        .cluster_id = directories_->cluster_id(),
        .node_id = config_.node_id(),
        .directory_id = directory->meta()->directory_id.value_or(Uuid()),
        .directory = config_.metadata_directory(),
        .config = config_,
        .clock = around_.clock,
    };
    ASSIGN_OR_CO_RETURN(quorum_, co_await quorum::MetadataQuorum::open(shard_, std::move(options)));
    scope_.spawn(watch_quorum());

    broker::Node node{.id = config_.node_id(),
                      .cluster_id = directories_->cluster_id(),
                      .incarnation = Uuid::random(shard_.random()),
                      .version = std::string(version)};
    broker_ = std::make_unique<broker::Broker>(
        shard_, std::move(node), config_,
        broker::Broker::Parts{*directories_, *quorum_, store_.get(), around_.clock,
                              around_.resolve},
        [this](Error error) { fail_with(std::move(error)); });
    CO_RETURN_IF_ERROR(serve_metrics());  // which tell how far the start is
    CO_RETURN_IF_ERROR(co_await broker_->start());
    LOG_INFO("node {} of cluster {} is ready after {} ms", config_.node_id(),
             directories_->cluster_id(), (shard_.now() - began).ms());
    co_return Result<>{};
}

Result<> Process::open_directories() {
    ASSIGN_OR_RETURN(auto opened, broker::LogDirectories::open(shard_, config_));
    directories_ = std::make_unique<broker::LogDirectories>(std::move(opened));
    return {};
}

void Process::fail_with(Error error) {
    if (failure_) return;
    failure_ = std::move(error);
    failed_.notify_all();
}

Task<Error> Process::failed() {
    co_await failed_.until([this] { return failure_.has_value(); });
    co_return *failure_;
}

Task<Result<>> Process::open_store() {
    if (!config_.remote_log_storage_system_enable()) co_return Result<>{};
    Result<std::unique_ptr<storage::remote::ObjectStore>> opened =
        fail(ErrorCode::invalid_config, "this process has no remote storage");
    if (open_store_) co_await env::blocking(shard_, [&] { opened = open_store_(config_); });
    if (!opened) co_return fail(opened.error());
    store_ = *std::move(opened);
    co_return Result<>{};
}

Task<void> Process::watch_quorum() {
    Error error = co_await quorum_->failed();
    fail_with({error.code, fmt::format("the metadata log directory {} has failed: {}",
                                       config_.metadata_directory(), error.message)});
}

Result<> Process::serve_metrics() {
    if (config_.metrics_addresses().empty()) return {};
    http_ = std::make_unique<net::HttpServer>(
        shard_, [this](std::string_view path) { return answer_http(path); });
    for (const config::HostPort& each : config_.metrics_addresses()) {
        auto listening = http_->listen({each.host, each.port});
        if (!listening) {
            return fail(listening.error().code,
                        fmt::format("metrics.listeners: cannot listen on {}: {}",
                                    config::to_string(each), listening.error().message));
        }
        LOG_INFO("metrics are at http://{}/metrics", listening->to_string());
        metrics_addresses_.push_back(*listening);
    }
    return {};
}

Task<net::HttpResponse> Process::answer_http(std::string_view path) {
    if (path != "/metrics") co_return net::HttpResponse{.status = 404, .body = "see /metrics\n"};
    metrics::Snapshot snapshot = co_await broker_->metrics();
    if (around_.more_figures) around_.more_figures(snapshot);
    co_return net::HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                .body = snapshot.text()};
}

Task<Result<>> Process::stop() {
    Result<> result;
    auto note = [&](Result<> each) {
        if (result) result = std::move(each);
    };
    if (http_) co_await http_->stop();
    if (broker_) note(co_await broker_->stop(!failure_));
    if (quorum_) note(co_await quorum_->stop());
    co_await scope_.close();
    broker_.reset();
    quorum_.reset();
    co_return result;
}

}  // namespace millrace::server
