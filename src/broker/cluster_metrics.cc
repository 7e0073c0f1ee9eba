#include "broker/cluster_metrics.h"

#include "metrics/declared.h"

namespace millrace::broker {
namespace {

namespace declared = metrics::declared;

constexpr double running = 3;  // BrokerState.RUNNING

}  // namespace

ClusterMetrics::ClusterMetrics(metrics::Registry& registry, const MetadataCache& metadata,
                               const quorum::MetadataQuorum& quorum, std::int32_t node_id)
    : registry_(registry), metadata_(metadata), quorum_(quorum), node_id_(node_id) {
    read_cluster();
    read_quorum();
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

}  // namespace millrace::broker
