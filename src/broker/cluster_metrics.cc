#include "broker/cluster_metrics.h"

#include <limits>

#include "metrics/declared.h"

namespace millrace::broker {
namespace {

namespace declared = metrics::declared;

constexpr double running = 3;  // BrokerState.RUNNING

// A value that there are no samples of, as Apache's library tells it.
double or_nan(const std::optional<double>& value) {
    return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

ClusterMetrics::ClusterMetrics(metrics::Registry& registry, const MetadataCache& metadata,
                               const quorum::MetadataQuorum& quorum, std::int32_t node_id)
    : registry_(registry), metadata_(metadata), quorum_(quorum), node_id_(node_id) {
    read_cluster();
    read_quorum();
    read_figures();
}

void ClusterMetrics::read(const metrics::GaugeDeclaration& declaration, Of of) {
    readings_.push_back(registry_.read_gauge(declaration, {}, std::move(of)));
}

double ClusterMetrics::count_partitions(bool (*counts)(const metadata::Partition&)) const {
    double total = 0;
    for (const auto& [name, topic] : metadata_.image()->topics.by_name()) {
        for (const auto& [index, partition] : topic->partitions) total += counts(*partition);
    }
    return total;
}

void ClusterMetrics::read_cluster() {
    auto brokers = [this](bool fenced) {
        return [this, fenced] {
            double total = 0;
            for (const auto& [id, broker] : metadata_.image()->brokers) {
                total += broker->fenced == fenced;
            }
            return total;
        };
    };
    read(declared::kafka_controller_active_broker_count, brokers(false));
    read(declared::kafka_controller_fenced_broker_count, brokers(true));
    read(declared::kafka_controller_controlled_shutdown_broker_count, [this] {
        double total = 0;
        for (const auto& [id, broker] : metadata_.image()->brokers)
            total += broker->in_controlled_shutdown;
        return total;
    });
    read(declared::kafka_controller_global_topic_count,
         [this] { return static_cast<double>(metadata_.image()->topics.size()); });
    read(declared::kafka_controller_global_partition_count,
         [this] { return count_partitions([](const metadata::Partition&) { return true; }); });
    read(declared::kafka_controller_offline_partitions_count, [this] {
        return count_partitions([](const metadata::Partition& p) { return !p.has_leader(); });
    });
    read(declared::kafka_controller_preferred_replica_imbalance_count, [this] {
        return count_partitions(
            [](const metadata::Partition& p) { return p.leader != p.preferred_leader(); });
    });
    read(declared::kafka_controller_last_applied_record_offset,
         [this] { return static_cast<double>(metadata_.image()->offset); });
    read(declared::metadata_loader_current_metadata_version, [this] {
        const auto& version = metadata_.image()->features.metadata_version;
        return version ? static_cast<double>(version->level()) : 0.0;
    });
    read(declared::kafka_server_broker_state, [this] {
        const metadata::Broker* self = metadata_.image()->brokers.find(node_id_);
        return self != nullptr && !self->fenced ? running : running - 1;
    });
}

void ClusterMetrics::read_quorum() {
    read(declared::kafka_controller_active_controller_count,
         [this] { return quorum_.leader_id() == node_id_ ? 1.0 : 0.0; });
    read(declared::metadata_loader_current_controller_id,
         [this] { return static_cast<double>(quorum_.leader_id()); });
    read(declared::raft_metrics_current_leader,
         [this] { return static_cast<double>(quorum_.leader_id()); });
    read(declared::raft_metrics_current_epoch,
         [this] { return static_cast<double>(quorum_.status().epoch); });
    read(declared::raft_metrics_high_watermark,
         [this] { return static_cast<double>(quorum_.status().high_watermark); });
    read(declared::raft_metrics_number_of_voters,
         [this] { return static_cast<double>(quorum_.status().voters.size()); });
    read(declared::raft_metrics_number_of_observers,
         [this] { return static_cast<double>(quorum_.status().observers.size()); });
    read(declared::kafka_controller_last_committed_record_offset,
         [this] { return static_cast<double>(quorum_.status().high_watermark - 1); });
}

void ClusterMetrics::read_figures() {
    using quorum::QuorumFigures;
    auto figure = [this](const metrics::GaugeDeclaration& declaration,
                         double (*of)(const QuorumFigures&)) {
        read(declaration, [this, of] { return of(quorum_.figures()); });
    };
    auto number = [&]<auto member>(const metrics::GaugeDeclaration& declaration) {
        figure(declaration, [](const QuorumFigures& f) { return static_cast<double>(f.*member); });
    };
    number.operator()<&QuorumFigures::voted>(declared::raft_metrics_current_vote);
    number.operator()<&QuorumFigures::log_end>(declared::raft_metrics_log_end_offset);
    number.operator()<&QuorumFigures::log_end_epoch>(declared::raft_metrics_log_end_epoch);
    number.operator()<&QuorumFigures::append_rate>(declared::raft_metrics_append_records_rate);
    number.operator()<&QuorumFigures::fetch_rate>(declared::raft_metrics_fetch_records_rate);
    number.operator()<&QuorumFigures::voter_change_uncommitted>(
        declared::raft_metrics_uncommitted_voter_change);
    number.operator()<&QuorumFigures::ignores_static_voters>(
        declared::kafka_controller_ignored_static_voters);
    number.operator()<&QuorumFigures::ignores_static_voters>(
        declared::broker_metadata_metrics_ignored_static_voters);
    number.operator()<&QuorumFigures::last_applied>(
        declared::kafka_controller_last_applied_record_timestamp);
    number.operator()<&QuorumFigures::elections>(
        declared::kafka_controller_new_active_controllers_count);
    number.operator()<&QuorumFigures::failed_snapshots>(
        declared::kafka_controller_metadata_error_count);
    number.operator()<&QuorumFigures::operations_started>(
        declared::kafka_controller_event_queue_operations_started_count);
    figure(declared::raft_metrics_commit_latency_avg,
           [](const QuorumFigures& f) { return or_nan(f.commit_latency_average); });
    figure(declared::raft_metrics_commit_latency_max,
           [](const QuorumFigures& f) { return or_nan(f.commit_latency_max); });
    figure(declared::raft_metrics_election_latency_avg,
           [](const QuorumFigures& f) { return or_nan(f.election_latency_average); });
    figure(declared::raft_metrics_election_latency_max,
           [](const QuorumFigures& f) { return or_nan(f.election_latency_max); });
}

}  // namespace millrace::broker
